-- _DELTAS
SELECT {figures} FROM {journal},
    jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)

-- ALL_DELTAS
SELECT delta.local_day, delta.activity, delta.methodology, delta.version, delta.partner, delta.region, delta.evidence_level, delta.scope, delta.actions, delta.gross_mg, delta.avoided_mg, delta.uncertainty_mg, delta.points FROM journal,
    jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)

-- _ALL_KEPT_DELTAS
SELECT delta.* FROM journal,
    jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)

-- _TAKEN_DELTAS
SELECT delta.* FROM unnest(CAST(:buckets AS int2[]), CAST(:batches AS uuid[])) AS taken(bucket, batch_id) JOIN journal USING (bucket, batch_id),
    jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)

-- _PENDING_DELTAS
SELECT delta.local_day, delta.activity, delta.methodology, delta.version, delta.partner, delta.region, delta.evidence_level, delta.scope, delta.actions, delta.gross_mg, delta.avoided_mg, delta.uncertainty_mg, delta.points FROM journal_pending JOIN journal USING (bucket, batch_id),
    jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)

-- _ADD
    INSERT INTO total_day AS had (local_day, activity, methodology, version, partner, region, evidence_level, scope, actions, limited, gross_mg, avoided_mg, uncertainty_mg, points)
    SELECT local_day, activity, methodology, version, partner, region, evidence_level, scope, coalesce(sum(actions), 0)::int8 AS actions, coalesce(sum(limited), 0)::int8 AS limited, coalesce(sum(gross_mg), 0)::int8 AS gross_mg, coalesce(sum(avoided_mg), 0)::int8 AS avoided_mg, coalesce(sum(uncertainty_mg), 0)::int8 AS uncertainty_mg, coalesce(sum(points), 0)::int8 AS points FROM (
    SELECT delta.* FROM unnest(CAST(:buckets AS int2[]), CAST(:batches AS uuid[])) AS taken(bucket, batch_id) JOIN journal USING (bucket, batch_id),
        jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)
) AS delta
    GROUP BY local_day, activity, methodology, version, partner, region, evidence_level, scope ORDER BY local_day, activity, methodology, version, partner, region, evidence_level, scope
    ON CONFLICT (local_day, activity, methodology, version, partner, region, evidence_level, scope) DO UPDATE SET actions = had.actions + excluded.actions, limited = had.limited + excluded.limited, gross_mg = had.gross_mg + excluded.gross_mg, avoided_mg = had.avoided_mg + excluded.avoided_mg, uncertainty_mg = had.uncertainty_mg + excluded.uncertainty_mg, points = had.points + excluded.points, changed_at = now()

-- _REBUILD
    WITH counted AS (DELETE FROM journal_pending WHERE projector = 'total_day')
    INSERT INTO total_day (local_day, activity, methodology, version, partner, region, evidence_level, scope, actions, limited, gross_mg, avoided_mg, uncertainty_mg, points)
    SELECT local_day, activity, methodology, version, partner, region, evidence_level, scope, coalesce(sum(actions), 0)::int8 AS actions, coalesce(sum(limited), 0)::int8 AS limited, coalesce(sum(gross_mg), 0)::int8 AS gross_mg, coalesce(sum(avoided_mg), 0)::int8 AS avoided_mg, coalesce(sum(uncertainty_mg), 0)::int8 AS uncertainty_mg, coalesce(sum(points), 0)::int8 AS points FROM (
    SELECT delta.* FROM journal,
        jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)
) AS delta
    GROUP BY local_day, activity, methodology, version, partner, region, evidence_level, scope

-- _NOW_KNOWN
SELECT activity, methodology || '@' || version, evidence_level, region, scope, coalesce(sum(actions), 0)::int8 AS actions, coalesce(sum(gross_mg), 0)::int8 AS gross_mg, coalesce(sum(avoided_mg), 0)::int8 AS avoided_mg, coalesce(sum(uncertainty_mg), 0)::int8 AS uncertainty_mg, coalesce(sum(points), 0)::int8 AS points FROM (
    SELECT local_day, activity, methodology, version, partner, region, evidence_level, scope, actions, gross_mg, avoided_mg, uncertainty_mg, points FROM total_day
    UNION ALL
    
SELECT delta.local_day, delta.activity, delta.methodology, delta.version, delta.partner, delta.region, delta.evidence_level, delta.scope, delta.actions, delta.gross_mg, delta.avoided_mg, delta.uncertainty_mg, delta.points FROM journal_pending JOIN journal USING (bucket, batch_id),
    jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)

    WHERE projector = 'total_day'
) AS known WHERE (CAST(:partner AS text) IS NULL OR partner = :partner) GROUP BY 1, 2, 3, 4, 5

-- _YEARS
SELECT to_char(local_day, 'YYYY') AS year, sum(avoided_mg)::int8 AS avoided_mg FROM (
    SELECT local_day, activity, methodology, version, partner, region, evidence_level, scope, actions, gross_mg, avoided_mg, uncertainty_mg, points FROM total_day
    UNION ALL
    
SELECT delta.local_day, delta.activity, delta.methodology, delta.version, delta.partner, delta.region, delta.evidence_level, delta.scope, delta.actions, delta.gross_mg, delta.avoided_mg, delta.uncertainty_mg, delta.points FROM journal_pending JOIN journal USING (bucket, batch_id),
    jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)

    WHERE projector = 'total_day'
) AS known
WHERE methodology = :methodology AND scope = '3+' AND evidence_level <> 'L0'
GROUP BY 1 ORDER BY 1

-- _ADD_UP
   INSERT INTO journal_day (recorded_on, local_day, activity, methodology, version, partner, region, evidence_level, scope, actions, gross_mg, avoided_mg, uncertainty_mg, points)
   SELECT :day, local_day, activity, methodology, version, partner, region, evidence_level, scope, coalesce(sum(actions), 0)::int8 AS actions, coalesce(sum(gross_mg), 0)::int8 AS gross_mg, coalesce(sum(avoided_mg), 0)::int8 AS avoided_mg, coalesce(sum(uncertainty_mg), 0)::int8 AS uncertainty_mg, coalesce(sum(points), 0)::int8 AS points
   FROM (
   SELECT delta.local_day, delta.activity, delta.methodology, delta.version, delta.partner, delta.region, delta.evidence_level, delta.scope, delta.actions, delta.gross_mg, delta.avoided_mg, delta.uncertainty_mg, delta.points FROM journal,
       jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)
WHERE recorded_at >= :begins AND recorded_at < :ends) AS delta
   GROUP BY local_day, activity, methodology, version, partner, region, evidence_level, scope

-- _BY_PERIOD
   SELECT period, sum(actions)::int8 AS actions, sum(avoided_mg)::int8 AS avoided_mg,
          sum(points)::int8 AS points,
          round(sqrt(sum(uncertainty_mg::numeric ^ 2)) / nullif(sum(avoided_mg), 0) * 100, 1)
              AS uncertainty_pct
   FROM (
       SELECT to_char(local_day, CAST(:format AS text)) AS period, methodology, version, coalesce(sum(actions), 0)::int8 AS actions, coalesce(sum(gross_mg), 0)::int8 AS gross_mg, coalesce(sum(avoided_mg), 0)::int8 AS avoided_mg, coalesce(sum(uncertainty_mg), 0)::int8 AS uncertainty_mg, coalesce(sum(points), 0)::int8 AS points
       FROM {known} WHERE 
   scope = '3+' AND evidence_level <> 'L0' AND (CAST(:partner AS text) IS NULL OR partner = :partner) AND (CAST(:activity AS text) IS NULL OR activity = :activity)
   AND (CAST(:region AS text) IS NULL OR region = :region)
GROUP BY 1, 2, 3
   ) AS parts GROUP BY period ORDER BY period LIMIT :limit

-- _SERIES
   SELECT period, sum(actions)::int8 AS actions, sum(avoided_mg)::int8 AS avoided_mg,
          sum(points)::int8 AS points,
          round(sqrt(sum(uncertainty_mg::numeric ^ 2)) / nullif(sum(avoided_mg), 0) * 100, 1)
              AS uncertainty_pct
   FROM (
       SELECT to_char(local_day, CAST(:format AS text)) AS period, methodology, version, coalesce(sum(actions), 0)::int8 AS actions, coalesce(sum(gross_mg), 0)::int8 AS gross_mg, coalesce(sum(avoided_mg), 0)::int8 AS avoided_mg, coalesce(sum(uncertainty_mg), 0)::int8 AS uncertainty_mg, coalesce(sum(points), 0)::int8 AS points
       FROM total_day WHERE 
   scope = '3+' AND evidence_level <> 'L0' AND (CAST(:partner AS text) IS NULL OR partner = :partner) AND (CAST(:activity AS text) IS NULL OR activity = :activity)
   AND (CAST(:region AS text) IS NULL OR region = :region)
GROUP BY 1, 2, 3
   ) AS parts GROUP BY period ORDER BY period LIMIT :limit

-- _SERIES_AS_OF
    SELECT period, sum(actions)::int8 AS actions, sum(avoided_mg)::int8 AS avoided_mg,
           sum(points)::int8 AS points,
           round(sqrt(sum(uncertainty_mg::numeric ^ 2)) / nullif(sum(avoided_mg), 0) * 100, 1)
               AS uncertainty_pct
    FROM (
        SELECT to_char(local_day, CAST(:format AS text)) AS period, methodology, version, coalesce(sum(actions), 0)::int8 AS actions, coalesce(sum(gross_mg), 0)::int8 AS gross_mg, coalesce(sum(avoided_mg), 0)::int8 AS avoided_mg, coalesce(sum(uncertainty_mg), 0)::int8 AS uncertainty_mg, coalesce(sum(points), 0)::int8 AS points
        FROM (
    SELECT local_day, activity, methodology, version, partner, region, evidence_level, scope, actions, gross_mg, avoided_mg, uncertainty_mg, points FROM journal_day WHERE recorded_on <= (
    SELECT max(recorded_on) FROM journal_day_closed
    WHERE recorded_on < (CAST(:as_of AS timestamptz) AT TIME ZONE 'UTC')::date
)
    UNION ALL
    
    SELECT delta.local_day, delta.activity, delta.methodology, delta.version, delta.partner, delta.region, delta.evidence_level, delta.scope, delta.actions, delta.gross_mg, delta.avoided_mg, delta.uncertainty_mg, delta.points FROM journal,
        jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)
 WHERE 
    recorded_at <= :as_of AND recorded_at >= coalesce(
        (SELECT ((
    SELECT max(recorded_on) FROM journal_day_closed
    WHERE recorded_on < (CAST(:as_of AS timestamptz) AT TIME ZONE 'UTC')::date
) + 1)::timestamp AT TIME ZONE 'UTC'), '-infinity')

) AS known WHERE 
    scope = '3+' AND evidence_level <> 'L0' AND (CAST(:partner AS text) IS NULL OR partner = :partner) AND (CAST(:activity AS text) IS NULL OR activity = :activity)
    AND (CAST(:region AS text) IS NULL OR region = :region)
 GROUP BY 1, 2, 3
    ) AS parts GROUP BY period ORDER BY period LIMIT :limit

-- _AS_OF
SELECT activity, methodology || '@' || version, evidence_level, region, scope, coalesce(sum(actions), 0)::int8 AS actions, coalesce(sum(gross_mg), 0)::int8 AS gross_mg, coalesce(sum(avoided_mg), 0)::int8 AS avoided_mg, coalesce(sum(uncertainty_mg), 0)::int8 AS uncertainty_mg, coalesce(sum(points), 0)::int8 AS points FROM (
    SELECT local_day, activity, methodology, version, partner, region, evidence_level, scope, actions, gross_mg, avoided_mg, uncertainty_mg, points FROM journal_day WHERE recorded_on <= (
    SELECT max(recorded_on) FROM journal_day_closed
    WHERE recorded_on < (CAST(:as_of AS timestamptz) AT TIME ZONE 'UTC')::date
)
    UNION ALL
    
    SELECT delta.local_day, delta.activity, delta.methodology, delta.version, delta.partner, delta.region, delta.evidence_level, delta.scope, delta.actions, delta.gross_mg, delta.avoided_mg, delta.uncertainty_mg, delta.points FROM journal,
        jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)
 WHERE 
    recorded_at <= :as_of AND recorded_at >= coalesce(
        (SELECT ((
    SELECT max(recorded_on) FROM journal_day_closed
    WHERE recorded_on < (CAST(:as_of AS timestamptz) AT TIME ZONE 'UTC')::date
) + 1)::timestamp AT TIME ZONE 'UTC'), '-infinity')

) AS known WHERE (CAST(:partner AS text) IS NULL OR partner = :partner) GROUP BY 1, 2, 3, 4, 5

-- _PEOPLE_AS_OF
    SELECT (coalesce((SELECT sum(people) FROM journal_day_closed
                      WHERE recorded_on <= (
    SELECT max(recorded_on) FROM journal_day_closed
    WHERE recorded_on < (CAST(:as_of AS timestamptz) AT TIME ZONE 'UTC')::date
)), 0)
          + coalesce((SELECT sum(people) FROM journal WHERE 
    recorded_at <= :as_of AND recorded_at >= coalesce(
        (SELECT ((
    SELECT max(recorded_on) FROM journal_day_closed
    WHERE recorded_on < (CAST(:as_of AS timestamptz) AT TIME ZONE 'UTC')::date
) + 1)::timestamp AT TIME ZONE 'UTC'), '-infinity')
), 0))::int8

-- _TRAILING_AS_OF
    SELECT coalesce(sum(avoided_mg), 0)::int8 FROM (
    SELECT local_day, activity, methodology, version, partner, region, evidence_level, scope, actions, gross_mg, avoided_mg, uncertainty_mg, points FROM journal_day WHERE recorded_on <= (
    SELECT max(recorded_on) FROM journal_day_closed
    WHERE recorded_on < (CAST(:as_of AS timestamptz) AT TIME ZONE 'UTC')::date
)
    UNION ALL
    
    SELECT delta.local_day, delta.activity, delta.methodology, delta.version, delta.partner, delta.region, delta.evidence_level, delta.scope, delta.actions, delta.gross_mg, delta.avoided_mg, delta.uncertainty_mg, delta.points FROM journal,
        jsonb_to_recordset(journal.deltas) AS delta(local_day date, activity text, methodology text, version text, partner text, region text, evidence_level text, scope text, actions int8, limited int8, gross_mg int8, avoided_mg int8, uncertainty_mg int8, points int8)
 WHERE 
    recorded_at <= :as_of AND recorded_at >= coalesce(
        (SELECT ((
    SELECT max(recorded_on) FROM journal_day_closed
    WHERE recorded_on < (CAST(:as_of AS timestamptz) AT TIME ZONE 'UTC')::date
) + 1)::timestamp AT TIME ZONE 'UTC'), '-infinity')

) AS known
    WHERE local_day > :after AND local_day <= :until AND scope = '3+' AND evidence_level <> 'L0' AND (CAST(:partner AS text) IS NULL OR partner = :partner)

-- _TRAILING
SELECT coalesce(sum(avoided_mg), 0)::int8 FROM total_day
WHERE local_day > :after AND local_day <= :until AND scope = '3+' AND evidence_level <> 'L0' AND (CAST(:partner AS text) IS NULL OR partner = :partner)

-- lock_projection
SELECT unknown_at_rest(:lock)
