-- The outbox of ONE SKU: unconfirmed reservations whose last attempt is old enough, oldest first, marked as attempted now.
-- KEYS  1 stock  2 sale  3 orders  4 buyers  5 clicks  6 outbox     (all in the SKU's slot)
-- ARGV  1 how old the last attempt must be, ms  2 most reservations to return
-- Returns order id 1, record 1, order id 2, record 2, ...
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local reply = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', string.format('%.0f', now - ARGV[1]), 'LIMIT', 0, ARGV[2])) do
  redis.call('ZADD', KEYS[6], 'XX', string.format('%.0f', now), id)
  local record = redis.call('HGET', KEYS[3], id)
  if record then reply[#reply + 1] = id; reply[#reply + 1] = record end
end
return reply
