-- _UNFINISHED
   SELECT 
   run_id, kind, methodology, from_version, target, first_day, last_day, sample_ppm, status,
   next_bucket, next_person, people, actions, result, started_at, finished_at
FROM methodology_run
   WHERE kind = :kind AND methodology = :methodology AND status = 'running'
   ORDER BY run_id

-- _RUN
SELECT 
   run_id, kind, methodology, from_version, target, first_day, last_day, sample_ppm, status,
   next_bucket, next_person, people, actions, result, started_at, finished_at
FROM methodology_run WHERE run_id = :run_id

-- _LOCK_RUN
   SELECT 
   run_id, kind, methodology, from_version, target, first_day, last_day, sample_ppm, status,
   next_bucket, next_person, people, actions, result, started_at, finished_at
FROM methodology_run WHERE run_id = :run_id FOR UPDATE

-- _RUNS
   SELECT 
   run_id, kind, methodology, from_version, target, first_day, last_day, sample_ppm, status,
   next_bucket, next_person, people, actions, result, started_at, finished_at
FROM methodology_run
   WHERE run_id < :before AND (CAST(:kind AS text) IS NULL OR kind = :kind)
   ORDER BY run_id DESC LIMIT :limit

-- _PEOPLE
SELECT bucket, person_id, count(*) AS actions FROM action
WHERE (bucket, person_id) > (CAST(:bucket AS int2), CAST(:person AS uuid)) AND 
local_day BETWEEN :first_day AND :last_day AND activity = :activity
AND outcome = ANY (CAST(:outcomes AS text[])) AND erased_at IS NULL

GROUP BY bucket, person_id ORDER BY bucket, person_id LIMIT 500

-- _COUNT
SELECT count(*) FROM action WHERE 
local_day BETWEEN :first_day AND :last_day AND activity = :activity
AND outcome = ANY (CAST(:outcomes AS text[])) AND erased_at IS NULL

-- _ACTIONS
SELECT action.bucket, action.person_id, action.action_id, action.local_day, action.recorded_at,
       action.partner, action.activity, action.region, action.evidence_level,
       CASE WHEN transfer.action_id IS NULL THEN action.scope ELSE 'transferred' END AS scope,
       CASE WHEN corroboration.is_first THEN 'L2' ELSE action.evidence_level END
           AS counted_level,
       action.data, action.points,
       action.outcome = 'capped' AND starts_with(action.reason, 'methodology_') AS was_limited,
       reversal.action_id IS NOT NULL AS is_reversed,
       coalesce(newest.sequence, 0) AS sequence,
       coalesce(newest.methodology, action.methodology, '') AS methodology,
       newest.region AS rule_region,
       CASE WHEN newest.sequence IS NULL THEN action.outcome ELSE newest.outcome END AS outcome,
       CASE WHEN newest.sequence IS NULL THEN action.reason ELSE newest.reason END AS reason,
       CASE WHEN newest.sequence IS NULL THEN action.detail ELSE newest.detail END AS detail,
       coalesce(newest.gross_mg, action.gross_mg) AS gross_mg,
       coalesce(newest.avoided_mg, action.avoided_mg) AS avoided_mg,
       coalesce(newest.uncertainty_mg, action.uncertainty_mg) AS uncertainty_mg,
       coalesce(newest.quantity_milli, action.quantity_milli) AS quantity_milli
FROM unnest(CAST(:buckets AS int2[]), CAST(:people AS uuid[])) AS input(bucket, person_id)
CROSS JOIN LATERAL (
    SELECT * FROM action
    WHERE action.bucket = input.bucket AND action.person_id = input.person_id AND 
local_day BETWEEN :first_day AND :last_day AND activity = :activity
AND outcome = ANY (CAST(:outcomes AS text[])) AND erased_at IS NULL

    OFFSET 0
) AS action
LEFT JOIN LATERAL (
    SELECT * FROM restatement
    WHERE restatement.bucket = action.bucket AND restatement.person_id = action.person_id
      AND restatement.action_id = action.action_id
    ORDER BY sequence DESC LIMIT 1
) AS newest ON true
LEFT JOIN reversal
    ON reversal.bucket = action.bucket AND reversal.person_id = action.person_id
    AND reversal.action_id = action.action_id
LEFT JOIN transfer
    ON transfer.bucket = action.bucket AND transfer.person_id = action.person_id
    AND transfer.action_id = action.action_id
LEFT JOIN corroboration
    ON corroboration.bucket = action.bucket AND corroboration.person_id = action.person_id
    AND corroboration.action_id = action.action_id
