-- _TO_HOLD
SELECT total_day.local_day, total_day.activity, total_day.methodology, total_day.version, total_day.partner, total_day.region, total_day.evidence_level, total_day.scope, total_day.actions, total_day.limited, total_day.gross_mg, total_day.avoided_mg, total_day.uncertainty_mg, total_day.points FROM total_day JOIN hold USING (partner, activity, local_day)
WHERE released_at IS NULL AND scope = '3+' AND evidence_level <> 'L0'
  AND NOT (total_day.actions = 0 AND total_day.limited = 0 AND total_day.gross_mg = 0 AND total_day.avoided_mg = 0 AND total_day.uncertainty_mg = 0 AND total_day.points = 0)
LIMIT :limit

-- _TO_RELEASE
SELECT total_day.local_day, total_day.activity, total_day.methodology, total_day.version, total_day.partner, total_day.region, total_day.evidence_level, total_day.scope, total_day.actions, total_day.limited, total_day.gross_mg, total_day.avoided_mg, total_day.uncertainty_mg, total_day.points FROM total_day JOIN hold USING (partner, activity, local_day)
WHERE released_at IS NOT NULL AND scope = 'held'
  AND NOT (total_day.actions = 0 AND total_day.limited = 0 AND total_day.gross_mg = 0 AND total_day.avoided_mg = 0 AND total_day.uncertainty_mg = 0 AND total_day.points = 0)
LIMIT :limit

-- _LIST
SELECT * FROM hold
WHERE (opened_at, partner, activity, local_day)
      < (CAST(:opened_at AS timestamptz), CAST(:partner AS text), CAST(:activity AS text),
         CAST(:day AS date))
  AND (CAST(:active AS bool) IS NULL OR (released_at IS NULL) = CAST(:active AS bool))
  AND (CAST(:of AS text) IS NULL OR partner = CAST(:of AS text))
ORDER BY opened_at DESC, partner DESC, activity DESC, local_day DESC LIMIT :limit
