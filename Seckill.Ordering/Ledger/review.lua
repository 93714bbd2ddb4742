-- One page of a SKU's orders that may be lost elsewhere: orders whose buyers have the result SUCCESS, which MySQL must have, and pending
-- orders missing from the outbox, which would never be published.
-- KEYS  1 stock  2 sale  3 orders  4 buyers  5 clicks  6 outbox     (all in the SKU's slot)
-- ARGV  1 cursor, 0 to begin  2 orders in a page, about  3 age of the oldest results to return, ms by this server's clock, which also
--       recorded their times. A result in the outbox is returned whatever its age: it was put back there because MySQL lacks the order.
-- Returns { next cursor (0: the last page), { order id 1, order number 1, order id 2, order number 2, ... }, { pending order ids } }
local page = redis.call('HSCAN', KEYS[3], ARGV[1], 'COUNT', ARGV[2])
local told, unlisted = {}, {}
local since = now_ms() - ARGV[3]
for i = 1, #page[2], 2 do
  local id, record = page[2][i], page[2][i + 1]
  local settled, number = read_success(record)
  if settled and (tonumber(settled) >= since or redis.call('ZSCORE', KEYS[6], id)) then
    told[#told + 1] = id; told[#told + 1] = number
  elseif is_pending(record) and not redis.call('ZSCORE', KEYS[6], id) then
    unlisted[#unlisted + 1] = id
  end
end
return { page[1], told, unlisted }
