-- Gives buyers back the units they hold according to MySQL, where Redis has forgotten them. Whom Redis still knows is left alone.
-- KEYS  1 buyers        ARGV  1 expire_ms, then three per buyer: user id, units, newest order id
for i = 2, #ARGV, 3 do
  redis.call('HSETNX', KEYS[1], ARGV[i], write_buyer(ARGV[i + 1], ARGV[i + 2]))
end
redis.call('PEXPIREAT', KEYS[1], ARGV[1])
return (#ARGV - 1) / 3
