-- _FIND
   SELECT bucket, pool_id, project, name, code, points, daily_points, collected, state, serial,
          partner, created_at, expires_at, ended_at
   FROM pool
WHERE bucket = :bucket AND pool_id = :pool

-- _LOCK
   SELECT bucket, pool_id, project, name, code, points, daily_points, collected, state, serial,
          partner, created_at, expires_at, ended_at
   FROM pool
WHERE bucket = :bucket AND pool_id = :pool FOR UPDATE

-- _BY_CODE
   SELECT bucket, pool_id, project, name, code, points, daily_points, collected, state, serial,
          partner, created_at, expires_at, ended_at
   FROM pool
WHERE bucket = :bucket AND code = :code

-- _EXPIRED
   SELECT bucket, pool_id, project, name, code, points, daily_points, collected, state, serial,
          partner, created_at, expires_at, ended_at
   FROM pool
WHERE state = 'open' AND expires_at <= :now ORDER BY expires_at LIMIT :n
