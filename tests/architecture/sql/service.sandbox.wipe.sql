-- _OTHERS
DELETE FROM pool_contribution AS one USING pool WHERE pool.partner = :partner
    AND one.bucket = pool.bucket AND one.pool_id = pool.pool_id

-- _OTHERS
DELETE FROM pool_member AS one USING pool WHERE pool.partner = :partner
    AND one.bucket = pool.bucket AND one.pool_id = pool.pool_id

-- _OTHERS
DELETE FROM webhook_delivery AS one USING webhook_endpoint AS endpoint
WHERE one.endpoint_id = endpoint.endpoint_id AND endpoint.partner = :partner

-- _OTHERS
DELETE FROM webhook_sequence AS one USING webhook_endpoint AS endpoint
WHERE one.endpoint_id = endpoint.endpoint_id AND endpoint.partner = :partner

-- wipe
DELETE FROM "unknown_at_rest" AS one USING wiped WHERE one.bucket = wiped.bucket AND one.person_id = wiped.person_id
