-- Gives buyers back the units they hold according to MySQL, where Redis has forgotten them. Whom Redis still knows is left alone, unless
-- it knows just what this has written before.
-- KEYS  1 buyers
-- ARGV  1 expire_ms, then five per buyer: user id, units, newest order id, units and newest order id as written before (0 for not)
for i = 2, #ARGV, 5 do
  local buyer = write_buyer(ARGV[i + 1], ARGV[i + 2])
  if redis.call('HSETNX', KEYS[1], ARGV[i], buyer) == 0 and ARGV[i + 3] ~= '0'
    and redis.call('HGET', KEYS[1], ARGV[i]) == write_buyer(ARGV[i + 3], ARGV[i + 4]) then
    redis.call('HSET', KEYS[1], ARGV[i], buyer)
  end
end
redis.call('PEXPIREAT', KEYS[1], ARGV[1])
return (#ARGV - 1) / 5
