-- Restores buyers' units: those held according to MySQL, plus those of reservations without an order in MySQL. A Redis replica that lost
-- the latest writes has too few units for a buyer. A refused order counts until it is settled, which subtracts it.
-- KEYS  1 stock  2 sale  3 orders  4 buyers  5 clicks  6 outbox     (all in the SKU's slot)
-- ARGV  1 expire_ms  2 gate epoch in MySQL if the caller holds the SKU's row lock there and passes all of these reservations, or passes
--       no buyer yet; else '',
--       then for each buyer: user id, units in MySQL, newest order there (0 for none), number of order ids that follow, these ids:
--       unsettled, no order in MySQL
-- A buyer's units are set exactly only if the list is complete and the gate is closed, so that nothing is reserved meanwhile; otherwise
-- they are only raised. Ids are longer than Lua's numbers can hold exactly.
-- The epoch is recorded (`counted`): everything that MySQL committed up to it is in the units, or will be before the load, so settle.lua
-- adds only later commits. If the load dies before that, the counter has to be loaded again, with all buyers restored.
local sale = redis.call('HMGET', KEYS[2], 'epoch', 'closed')
local shut = not redis.call('GET', KEYS[1]) or not sale[1] or is_shut(sale[2])
local whole = ARGV[2] ~= ''
local exact = whole and shut
local function newer(a, b) return (#a ~= #b and #a > #b or #a == #b and a > b) and a or b end

local buyers, at = {}, 3
while at <= #ARGV do
  local user, units, newest = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2] ~= '0' and ARGV[at + 2] or ''
  local ids = tonumber(ARGV[at + 3])
  for i = at + 4, at + 3 + ids do
    local record = redis.call('HGET', KEYS[3], ARGV[i])
    if record and is_pending(record) then
      local quantity, of = read_pending(record)
      if of == user then units = units + tonumber(quantity); newest = newer(ARGV[i], newest) end
    end
  end
  local had, last = read_buyer(redis.call('HGET', KEYS[4], user) or '')
  if not exact then units = math.max(units, tonumber(had or 0)) end
  newest = newer(last or '', newest)
  if newest ~= '' then buyers[#buyers + 1] = user; buyers[#buyers + 1] = write_buyer(units, newest) end
  at = at + 4 + ids
end
if #buyers > 0 then redis.call('HSET', KEYS[4], unpack(buyers)) end
-- The clicks too: they are restored before a call of this script, and the load may never come.
local expires = kept_until(ARGV[1], now_ms())
for k = 4, 5 do redis.call('PEXPIREAT', KEYS[k], expires) end
if whole then
  redis.call('HSET', KEYS[2], 'counted', ARGV[2])
  redis.call('PEXPIREAT', KEYS[2], expires)
end
return #buyers / 2
