-- _FACTS
   SELECT local_day, activity, methodology, version, partner, evidence_level, scope, coalesce(sum(actions), 0)::int8 AS actions, coalesce(sum(gross_mg), 0)::int8 AS gross_mg, coalesce(sum(avoided_mg), 0)::int8 AS avoided_mg, coalesce(sum(uncertainty_mg), 0)::int8 AS uncertainty_mg, coalesce(sum(points), 0)::int8 AS points FROM (
       SELECT action.local_day, activity, split_part(methodology, '@', 1) AS methodology,
              split_part(methodology, '@', 2) AS version, action.partner,
              CASE WHEN corroboration.is_first THEN 'L2' ELSE evidence_level END AS evidence_level, CASE WHEN transfer.action_id IS NULL THEN scope ELSE 'transferred' END AS scope,
              1 AS actions, gross_mg, avoided_mg, uncertainty_mg, points::int8
       FROM action 
       LEFT JOIN corroboration ON corroboration.bucket = action.bucket
           AND corroboration.person_id = action.person_id
           AND corroboration.action_id = action.action_id
       LEFT JOIN transfer ON transfer.bucket = action.bucket
           AND transfer.person_id = action.person_id AND transfer.action_id = action.action_id

       WHERE outcome IN ('credited', 'capped', 'zero')
       UNION ALL
       SELECT action.local_day, action.activity, split_part(moved.methodology, '@', 1),
              split_part(moved.methodology, '@', 2), action.partner, CASE WHEN corroboration.is_first THEN 'L2' ELSE evidence_level END, CASE WHEN transfer.action_id IS NULL THEN scope ELSE 'transferred' END,
              moved.sign, moved.sign * moved.gross_mg, moved.sign * moved.avoided_mg, moved.sign * moved.uncertainty_mg, moved.sign * action.points::int8
       FROM restatement AS done JOIN action ON action.bucket = done.bucket
           AND action.person_id = done.person_id AND action.action_id = done.action_id
           AND action.local_day = done.local_day
       
       LEFT JOIN corroboration ON corroboration.bucket = action.bucket
           AND corroboration.person_id = action.person_id
           AND corroboration.action_id = action.action_id
       LEFT JOIN transfer ON transfer.bucket = action.bucket
           AND transfer.person_id = action.person_id AND transfer.action_id = action.action_id

       CROSS JOIN LATERAL (VALUES
           (-1, old_methodology, old_gross_mg, old_avoided_mg, old_uncertainty_mg), (1, done.methodology, done.gross_mg, done.avoided_mg, done.uncertainty_mg)
       ) AS moved(sign, methodology, gross_mg, avoided_mg, uncertainty_mg)
       UNION ALL
       SELECT action.local_day, action.activity,
              split_part(coalesce(newest.methodology, action.methodology), '@', 1),
              split_part(coalesce(newest.methodology, action.methodology), '@', 2),
              action.partner, CASE WHEN corroboration.is_first THEN 'L2' ELSE evidence_level END, CASE WHEN transfer.action_id IS NULL THEN scope ELSE 'transferred' END, -1, -reversal.gross_mg, -reversal.avoided_mg, -coalesce(newest.uncertainty_mg, action.uncertainty_mg),
              -reversal.points::int8
       FROM reversal JOIN action ON action.bucket = reversal.bucket
           AND action.person_id = reversal.person_id AND action.action_id = reversal.action_id
           AND action.local_day = reversal.local_day
       
       LEFT JOIN corroboration ON corroboration.bucket = action.bucket
           AND corroboration.person_id = action.person_id
           AND corroboration.action_id = action.action_id
       LEFT JOIN transfer ON transfer.bucket = action.bucket
           AND transfer.person_id = action.person_id AND transfer.action_id = action.action_id

       LEFT JOIN LATERAL (
           SELECT methodology, gross_mg, avoided_mg, uncertainty_mg FROM restatement
           WHERE restatement.bucket = reversal.bucket
             AND restatement.person_id = reversal.person_id
             AND restatement.action_id = reversal.action_id
           ORDER BY sequence DESC LIMIT 1
       ) AS newest ON true
       UNION ALL
       SELECT local_day, activity, methodology, version, partner, evidence_level, scope, actions, gross_mg, avoided_mg, uncertainty_mg, points FROM (
   SELECT delta.local_day, delta.activity, delta.methodology, delta.version, delta.partner, delta.region, delta.evidence_level, delta.scope, delta.actions, delta.gross_mg, delta.avoided_mg, delta.uncertainty_mg, delta.points FROM journal,
       jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)
WHERE journal.kind = 'hold') AS moved
   ) AS fact GROUP BY local_day, activity, methodology, version, partner, evidence_level, scope

-- _DAYS
SELECT local_day, activity, methodology, version, partner, evidence_level, scope, coalesce(sum(actions), 0)::int8 AS actions, coalesce(sum(gross_mg), 0)::int8 AS gross_mg, coalesce(sum(avoided_mg), 0)::int8 AS avoided_mg, coalesce(sum(uncertainty_mg), 0)::int8 AS uncertainty_mg, coalesce(sum(points), 0)::int8 AS points FROM total_day GROUP BY local_day, activity, methodology, version, partner, evidence_level, scope

-- CLOSED_DAYS
SELECT count(*) FROM (
    SELECT recorded_on, coalesce(sum(actions), 0)::int8 AS actions, coalesce(sum(gross_mg), 0)::int8 AS gross_mg, coalesce(sum(avoided_mg), 0)::int8 AS avoided_mg, coalesce(sum(uncertainty_mg), 0)::int8 AS uncertainty_mg, coalesce(sum(points), 0)::int8 AS points FROM (
        SELECT (journal.recorded_at AT TIME ZONE 'UTC')::date AS recorded_on, delta.*
        FROM journal CROSS JOIN LATERAL jsonb_to_recordset(journal.deltas)
            AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)
    ) AS added
    WHERE recorded_on <= (SELECT max(closed.recorded_on) FROM journal_day_closed AS closed)
    GROUP BY 1
) AS rows FULL JOIN (
    SELECT recorded_on, coalesce(sum(actions), 0)::int8 AS actions, coalesce(sum(gross_mg), 0)::int8 AS gross_mg, coalesce(sum(avoided_mg), 0)::int8 AS avoided_mg, coalesce(sum(uncertainty_mg), 0)::int8 AS uncertainty_mg, coalesce(sum(points), 0)::int8 AS points FROM journal_day GROUP BY 1
) AS closed USING (recorded_on)
WHERE rows IS DISTINCT FROM closed
