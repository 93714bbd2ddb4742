-- Records what one worker holds, with this server's time, so that no other clock matters.
-- KEYS  1 hash: worker -> written_ms|age_ms     ARGV  1 worker  2 age of the oldest message that it holds, ms; 0 for none  3 expiry, ms
local clock = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000)) .. '|' .. ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
