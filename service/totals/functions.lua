#!lua name=saxaul_totals

-- The totals' counters. Every function takes the same four keys: generation, sums, applied, as_of.
-- Integers travel as strings: Lua's numbers would lose milligrams above 2^53.

local function same_generation(keys, generation)
  return redis.call('GET', keys[1]) == generation
end

-- args: generation, batch id, then field and increment in turn. Once for each batch id.
-- Returns 1 when applied, 0 when it was applied before, -1 when the counters were lost.
local function apply(keys, args)
  if not same_generation(keys, args[1]) then return -1 end
  if redis.call('SADD', keys[3], args[2]) == 0 then return 0 end
  for i = 3, #args, 2 do
    redis.call('HINCRBY', keys[2], args[i], args[i + 1])
  end
  return 1
end

-- args: generation, moment, then batch ids whose pending mark is gone for good.
local function settle(keys, args)
  if not same_generation(keys, args[1]) then return -1 end
  redis.call('SET', keys[4], args[2])
  for i = 3, #args do
    redis.call('SREM', keys[3], args[i])
  end
  return 1
end

-- args: generation, moment, number of applied ids, the ids, then field and value in turn.
local function replace(keys, args)
  redis.call('DEL', keys[1], keys[2], keys[3], keys[4])
  local ids = tonumber(args[3])
  for i = 4, 3 + ids do
    redis.call('SADD', keys[3], args[i])
  end
  for i = 4 + ids, #args, 2 do
    redis.call('HSET', keys[2], args[i], args[i + 1])
  end
  redis.call('SET', keys[4], args[2])
  redis.call('SET', keys[1], args[1])
  return 1
end

redis.register_function('saxaul_totals_apply', apply)
redis.register_function('saxaul_totals_settle', settle)
redis.register_function('saxaul_totals_replace', replace)
