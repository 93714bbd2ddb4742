-- Puts orders that are missing from the outbox back into it, as unconfirmed, so that the sweeper publishes them again. The buyer's result
-- stays unchanged: settling removes them without another change.
-- KEYS  1 stock  2 sale  3 orders  4 buyers  5 clicks  6 outbox     (all in the SKU's slot)
-- ARGV  order ids
-- Returns how many orders were added.
local expires = expiry_beside(KEYS[2], redis.call('HGET', KEYS[2], 'expire_ms'), now_ms())
local count = 0
for _, id in ipairs(ARGV) do
  if redis.call('HEXISTS', KEYS[3], id) == 1 then count = count + redis.call('ZADD', KEYS[6], 'NX', 0, id) end
end
if expires > 0 then redis.call('PEXPIREAT', KEYS[6], expires) end
return count
