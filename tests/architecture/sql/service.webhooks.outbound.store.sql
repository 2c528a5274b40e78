-- _TRY_LOCK
SELECT pg_try_advisory_xact_lock(1517813781)

-- _LEASE
WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)), free AS MATERIALIZED (
    SELECT endpoint.bucket, endpoint.endpoint_id,
           CASE WHEN open_until IS NULL THEN $3::int4 ELSE 1 END
               - coalesce(busy.count, 0) AS room
    FROM webhook_endpoint AS endpoint
    LEFT JOIN unnest($1::uuid[], $2::int4[])
         AS busy(endpoint_id, count) USING (endpoint_id)
    WHERE disabled_at IS NULL AND (open_until IS NULL OR open_until <= $5::timestamptz)
    ORDER BY coalesce(busy.count, 0), random()
), due AS (
    SELECT queue.bucket, queue.delivery_id
    FROM relaxed CROSS JOIN free CROSS JOIN LATERAL (
        SELECT bucket, delivery_id FROM webhook_delivery AS delivery
        WHERE delivery.bucket = free.bucket AND delivery.endpoint_id = free.endpoint_id
          AND state = 'waiting' AND due_at <= $5::timestamptz
        ORDER BY due_at, delivery_id LIMIT greatest(free.room, 0)
        FOR UPDATE SKIP LOCKED
    ) AS queue
    LIMIT $4
)
UPDATE webhook_delivery AS delivery SET due_at = $6, attempts = attempts + 1
FROM due, webhook_endpoint AS endpoint
WHERE delivery.bucket = due.bucket AND delivery.delivery_id = due.delivery_id
  AND endpoint.endpoint_id = delivery.endpoint_id
RETURNING delivery.bucket, delivery.delivery_id, delivery.endpoint_id, delivery.type,
          delivery.attempts, delivery.earlier, delivery.body, endpoint.url, endpoint.sealed,
          CASE WHEN endpoint.old_until > $5 THEN endpoint.old_sealed END AS old_sealed

-- _KEEP_ATTEMPTS
WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)), input AS (
    SELECT * FROM unnest(
        $1::int2[], $2::uuid[], $3::int4[],
        $4::timestamptz[], $5::int4[], $6::text[],
        $7::int2[], $8::text[], $9::bytea[],
        $10::text[], $11::timestamptz[])
    AS each(bucket, delivery_id, number, started_at, duration_ms, result, status, error,
            answer, state, due_at)
), kept AS (
    INSERT INTO webhook_attempt (bucket, delivery_id, number, started_at, duration_ms, result,
                                 status, error, answer)
    SELECT bucket, delivery_id, number, started_at, duration_ms, result, status, error, answer
    FROM relaxed CROSS JOIN input
    ON CONFLICT DO NOTHING
), closed AS (
    UPDATE webhook_endpoint
    SET failures = 0, trips = 0, failing_since = NULL, open_until = NULL
    WHERE endpoint_id = ANY ($12::uuid[])
      AND (failing_since IS NOT NULL OR open_until IS NOT NULL)
)
UPDATE webhook_delivery AS delivery
SET state = input.state, due_at = coalesce(input.due_at, delivery.due_at),
    settled_at = CASE WHEN input.state <> 'waiting' THEN $13::timestamptz END
FROM input
WHERE delivery.bucket = input.bucket AND delivery.delivery_id = input.delivery_id
  AND delivery.attempts = input.number AND delivery.state = 'waiting'

-- _LIST
    SELECT 
    delivery.bucket, delivery.delivery_id, delivery.endpoint_id, delivery.type, delivery.notices,
    delivery.state, delivery.attempts AS tries, delivery.created_at, delivery.due_at,
    delivery.settled_at
, coalesce(log.attempts, '[]'::jsonb) AS attempts
    FROM webhook_delivery AS delivery CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object(
            'number', number, 'started_at', started_at, 'duration_ms', duration_ms,
            'result', result, 'status', status, 'error', error,
            'answer', encode(answer, 'base64')) ORDER BY number) AS attempts
        FROM webhook_attempt AS attempt
        WHERE attempt.bucket = delivery.bucket AND attempt.delivery_id = delivery.delivery_id
    ) AS log
    WHERE delivery.bucket = :bucket AND delivery.endpoint_id = :endpoint
      AND delivery.delivery_id < :before
      AND (CAST(:state AS text) IS NULL OR delivery.state = :state)
      AND (CAST(:type AS text) IS NULL OR delivery.type = :type)
      AND (CAST(:since AS timestamptz) IS NULL OR delivery.created_at >= :since)
      AND (CAST(:until AS timestamptz) IS NULL OR delivery.created_at < :until)
    ORDER BY delivery.delivery_id DESC LIMIT :limit

-- _AGAIN_ONE
UPDATE webhook_delivery SET state = 'waiting', due_at = :now, earlier = attempts,
                            settled_at = NULL
WHERE bucket = :bucket AND delivery_id = :delivery AND (state <> 'waiting' OR due_at > :now)

-- _AGAIN_RANGE
UPDATE webhook_delivery SET state = 'waiting', due_at = :now, earlier = attempts,
                            settled_at = NULL
WHERE bucket = :bucket AND 
endpoint_id = :endpoint AND state <> 'waiting' AND (NOT :failed OR state = 'failed')
AND created_at >= :since AND created_at < :until

-- _BACKLOG
SELECT count(*) AS waiting,
       coalesce(extract(epoch FROM CAST(:now AS timestamptz) - min(created_at)), 0)::float8
           AS oldest_s
FROM (SELECT delivery.created_at
      FROM webhook_endpoint AS endpoint JOIN webhook_delivery AS delivery
           ON delivery.bucket = endpoint.bucket AND delivery.endpoint_id = endpoint.endpoint_id
      WHERE state = 'waiting' AND disabled_at IS NULL LIMIT 100000) AS queued
