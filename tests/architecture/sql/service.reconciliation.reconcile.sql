-- RULES
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
