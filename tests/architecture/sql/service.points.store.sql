-- _COLLECT
WITH owner AS (
    SELECT bucket, person_id, balance, last_entry_id FROM account
    WHERE bucket = :bucket AND person_id = :person FOR UPDATE
), ripe AS (
    SELECT local_day, activity, round, points - collected - lapsed - reversed - to_friends AS uncollected
    FROM owner JOIN earning USING (bucket, person_id)
    WHERE is_open AND ripens_at <= :now AND lapses_at > :now
      AND (CAST(:day AS date) IS NULL OR local_day = CAST(:day AS date))
      AND (CAST(:activity AS text) IS NULL OR activity = CAST(:activity AS text))
    FOR UPDATE OF earning
), taken AS (
    UPDATE earning SET collected = collected + (points - collected - lapsed - reversed - to_friends) FROM ripe
    WHERE bucket = :bucket AND person_id = :person AND earning.local_day = ripe.local_day
      AND earning.activity = ripe.activity AND earning.round = ripe.round
    RETURNING ripe.local_day, ripe.activity, uncollected
), total AS (
    SELECT coalesce(sum(uncollected), 0)::int8 AS points,
           coalesce(jsonb_agg(jsonb_build_object(
               'local_day', local_day, 'activity', activity, 'points', uncollected)
               ORDER BY local_day, activity), '[]') AS earnings
    FROM taken
), entered AS (
    INSERT INTO entry (bucket, person_id, entry_id, kind, points, balance_after, ref,
                       recorded_at)
    SELECT bucket, person_id, later_entry(:entry, last_entry_id), 'collect', points,
           balance + points, jsonb_build_object('earnings', earnings), :now
    FROM owner, total WHERE points > 0
    RETURNING entry_id, balance_after
), kept AS (
    UPDATE account SET balance = balance_after, last_entry_id = entry_id FROM entered
    WHERE bucket = :bucket AND person_id = :person
)
SELECT points, coalesce((SELECT balance FROM owner), 0) + points AS balance, earnings
FROM total

-- _EARNING
SELECT round, CASE WHEN lapses_at > :now THEN points - collected - lapsed - reversed - to_friends ELSE 0 END AS uncollected,
       collected + to_friends - taken_back AS kept
FROM earning
WHERE bucket = :bucket AND person_id = :person AND local_day = :day AND activity = :activity
  AND lapses_at > :recorded_at
ORDER BY round LIMIT 1

-- _LAPSE
WITH due AS (
    SELECT earning.bucket, earning.person_id, local_day, activity, round, points - collected - lapsed - reversed - to_friends AS uncollected
    FROM unnest(CAST(:buckets AS int2[]), CAST(:people AS uuid[])) AS input(bucket, person_id)
    JOIN earning USING (bucket, person_id)
    WHERE is_open AND lapses_at <= :now
)
UPDATE earning SET lapsed = lapsed + uncollected FROM due
WHERE earning.bucket = due.bucket AND earning.person_id = due.person_id
  AND earning.local_day = due.local_day AND earning.activity = due.activity
  AND earning.round = due.round
RETURNING due.bucket, due.person_id, due.local_day, due.activity, uncollected AS points

-- _POINTS
SELECT coalesce(sum(points - collected - lapsed - reversed - to_friends) FILTER (WHERE ripens_at > :now), 0)::int8 AS ripening,
       coalesce(sum(points - collected - lapsed - reversed - to_friends) FILTER (WHERE ripens_at <= :now AND lapses_at > :now), 0)::int8
           AS collectable,
       coalesce(sum(lapsed + CASE WHEN lapses_at <= :now THEN points - collected - lapsed - reversed - to_friends ELSE 0 END), 0)::int8
           AS lapsed,
       coalesce(sum(to_friends), 0)::int8 AS taken_by_friends,
       coalesce(sum(points), 0)::int8 AS issued,
       min(ripens_at) FILTER (WHERE ripens_at > :now AND is_open) AS next_ripens_at
FROM earning WHERE bucket = :bucket AND person_id = :person

-- _EARNINGS
SELECT local_day, activity, round, actions, points, collected, reversed,
       to_friends AS taken_by_friends,
       lapsed + CASE WHEN lapses_at <= :now THEN points - collected - lapsed - reversed - to_friends ELSE 0 END AS lapsed,
       CASE WHEN lapses_at <= :now THEN 0 ELSE points - collected - lapsed - reversed - to_friends END AS uncollected,
       ripens_at, lapses_at
FROM earning
WHERE bucket = :bucket AND person_id = :person
  AND (actions, points) <> (0, 0)  -- a day that an action of a later day covers
  AND (local_day, activity, round)
      < (CAST(:day AS date), CAST(:activity AS text), CAST(:round AS int2))
ORDER BY local_day DESC, activity DESC, round DESC LIMIT :limit

-- _OF_DAY
SELECT points - collected - lapsed - reversed - to_friends AS uncollected, ripens_at, lapses_at FROM earning
WHERE bucket = :bucket AND person_id = :person AND local_day = :day AND activity = :activity
ORDER BY round DESC LIMIT 1
