-- The outbox of ONE SKU: unconfirmed reservations whose last attempt is old enough, oldest first, marked as attempted now.
-- KEYS  1 stock  2 sale  3 orders  4 buyers  5 clicks  6 outbox     (all in the SKU's slot)
-- ARGV  1 how old the last attempt must be, ms  2 most reservations to return  3 lowest score that means "confirmed"
-- Returns order id 1, record 1, order id 2, record 2, ...
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local reply = {}
local due = redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', string.format('%.0f', now - ARGV[1]), 'LIMIT', 0, ARGV[2])
if #due < tonumber(ARGV[2]) then
  -- An attempt in the future was made before the clock was set back; its age is unknown. A difference smaller than the requested age may
  -- be the offset between two servers' clocks and is ignored.
  local ahead, confirmed = '(' .. string.format('%.0f', now + ARGV[1]), '(' .. ARGV[3]
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[6], ahead, confirmed, 'LIMIT', 0, ARGV[2] - #due)) do due[#due + 1] = id end
end
for _, id in ipairs(due) do
  local record = redis.call('HGET', KEYS[3], id)
  redis.call('ZADD', KEYS[6], 'XX', string.format('%.0f', now), id)
  if record then reply[#reply + 1] = id; reply[#reply + 1] = record end
end
return reply
