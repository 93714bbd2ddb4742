-- Settles reservations of ONE SKU: records SUCCESS or FAILED, and returns the units of a failed one exactly once.
-- KEYS  1 stock  2 sale  3 orders  4 buyers  5 clicks  6 outbox     (all in the SKU's slot)
-- ARGV  1 outcome channel  2 SKU id, then nine per order:
--   order id, state (S or F), detail (order number or reason), deducted (1: MySQL deducted stock for this order id),
--   epoch of the gate when MySQL committed, quantity, user id, client_order_no, epoch in the message (-1: another producer's)
-- Returns one code per order; G, O and N write nothing and do not delay the other orders:
--   A settled now     B was settled before     C was settled before, with the opposite result, which stays
--   G Redis knows neither sale nor order
--   O the reservation is another buyer's     N the reservation, or the buyer's entry, is not in our format
--
-- The epoch says which load of the stock counter a number belongs to. A reservation is `held` when it was deducted from the current
-- counter. If the counter was loaded from MySQL after the order was committed, the load already includes the order. If the counter was
-- loaded before and does not include the reservation, the order is deducted here. While the counter is lost, verdicts are recorded and the
-- counter is left alone: the next load takes MySQL's figure, which includes them.
local sale = redis.call('HMGET', KEYS[2], 'epoch', 'held', 'expire_ms', 'counted')
local known = sale[1] and true
local counter = redis.call('GET', KEYS[1])
local epoch = known and counter and need_number(sale[1], 'epoch', KEYS[2]) or -2
-- Up to this MySQL epoch, buyers' units include every commit, because a load has restored them: see restore.lua.
local counted = counter and sale[4] and need_number(sale[4], 'counted', KEYS[2])
-- Whether an order without a record must be added to its buyer's units. Instances that recorded no `counted` used the counter's epoch.
-- Without a counter, the next load restores the buyers.
local function is_new(committed)
  if not counter then return false end
  if counted then return committed > counted end
  return committed == epoch
end
local n = (#ARGV - 2) / 9
local reply = {}

local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
local ids = {}
for i = 1, n do ids[i] = ARGV[2 + (i - 1) * 9 + 1] end
local records = redis.call('HMGET', KEYS[3], unpack(ids))
-- A score above 1e13 is 1e13 plus the time of the broker's confirm (StockLedger.ConfirmedScore). The time goes into the record; the score
-- is removed.
local scores = redis.call('ZMSCORE', KEYS[6], unpack(ids))

-- One read for all buyers; `buyer` then overlays the results of this call. Everything is computed before the first write, because a script
-- that fails halfway is not rolled back.
local users, buyer = {}, {}
for i = 1, n do users[i] = ARGV[2 + (i - 1) * 9 + 7] end
local had = redis.call('HMGET', KEYS[4], unpack(users))
for i = 1, n do buyer[users[i]] = had[i] or buyer[users[i]] end

local opposite = { S = 'F', F = 'S' }
local delta, released, told, done = 0, 0, {}, {}
local newOrders, newBuyers, newClicks, gone = {}, {}, {}, {}
for i = 1, n do
  local at = 2 + (i - 1) * 9
  local id, state, detail, deducted = ids[i], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4] == '1'
  local committed, qty, sent = tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6]), tonumber(ARGV[at + 9])
  local user, client = ARGV[at + 7], ARGV[at + 8]
  local record = records[i]
  local q, u, e, r, c, t
  if record then q, u, e, r, c, t = read_pending(record) end
  local units, last = 0, ''
  if buyer[user] then units, last = read_buyer(buyer[user]) end
  if done[id] or (record and not is_pending(record)) then
    reply[i] = 'B'
    gone[#gone + 1] = id
    if (done[id] or string.sub(record, 1, 1)) == opposite[state] then reply[i] = 'C' end
  elseif not record and not known then
    reply[i] = 'G'
    gone[#gone + 1] = id
  elseif not units or (record and not q) then
    reply[i] = 'N'
  elseif record and u ~= user then
    reply[i] = 'O'
  else
    done[id] = state
    gone[#gone + 1] = id
    local reserved, trace, held = now, '', false
    if record then
      qty, reserved, client, trace = tonumber(q), r, c, t
      held = tonumber(e) == epoch
      sent = tonumber(e)
    end
    if held then released = released + qty end
    if deducted then
      if committed == epoch and not held and sent >= 0 then delta = delta - qty end
    elseif held then
      delta = delta + qty
    end

    units = tonumber(units)
    if record and not deducted then units = math.max(0, units - qty) end
    if not record and deducted and is_new(committed) then units = units + qty end
    if last == '' then last = id end
    buyer[user] = write_buyer(units, last)
    newBuyers[#newBuyers + 1] = user; newBuyers[#newBuyers + 1] = buyer[user]
    if not record and client ~= '' then newClicks[#newClicks + 1] = { user .. ':' .. client, id } end
    local score = tonumber(scores[i] or 0)
    local confirmed = score >= 1e13 and score <= 2^53 and string.format('%.0f', score - 1e13)
    local settled = write_settled(state, qty, user, string.format('%.0f', sent), reserved, client, trace, now, confirmed, detail)
    newOrders[#newOrders + 1] = id
    newOrders[#newOrders + 1] = settled
    told[#told + 1] = id .. '|' .. settled
    reply[i] = 'A'
  end
end

-- Keys and numbers that were not read above must be checked before the first write, for the same reason. A verdict that needs none of the
-- damaged ones is recorded.
if #newClicks > 0 then redis.call('HLEN', KEYS[5]) end
if delta ~= 0 then need_number(counter, 'counter', KEYS[1]) end
local remaining = released > 0 and math.max(0, need_number(sale[2] or '0', 'held', KEYS[2]) - released)
local expires = expiry_beside(KEYS[2], sale[3], tonumber(now))

-- The ZREM comes first: a Redis without memory rejects a script only at its first write that needs more, so verdicts are still recorded.
if #gone > 0 then redis.call('ZREM', KEYS[6], unpack(gone)) end
if #told > 0 then
  redis.call('HSET', KEYS[3], unpack(newOrders))
  redis.call('HSET', KEYS[4], unpack(newBuyers))
  for _, click in ipairs(newClicks) do redis.call('HSETNX', KEYS[5], click[1], click[2]) end
  if remaining then redis.call('HSET', KEYS[2], 'held', remaining) end
  local stock = delta ~= 0 and redis.call('INCRBY', KEYS[1], delta) or number_of(counter) or 0
  redis.call('PUBLISH', ARGV[1], ARGV[2] .. '\n' .. string.format('%.0f', stock) .. '\n' .. table.concat(told, '\n'))
end
-- Every order passes here, so each key that the gate or this call has created gets its time to live. PTTL is read first, because the
-- append-only file stores each setting. A difference of one second comes from the two clock readings.
if expires > 0 then
  for k = 3, 6 do
    local left = redis.call('PTTL', KEYS[k])
    if left ~= -2 and math.abs(now + left - expires) > 1000 then redis.call('PEXPIREAT', KEYS[k], expires) end
  end
end
return reply
