-- The gate: deducts stock and writes the reservation (the outbox record) in one atomic step.
-- Takes any number of requests for ONE SKU, so that concurrent clicks share one round trip under load.
-- KEYS  1 stock  2 sale  3 orders  4 buyers  5 clicks  6 outbox     (all in the SKU's slot)
-- ARGV  1 deadline, ms by this server's clock: a later call reserves nothing; then
--       six per request: order id, user id, quantity, client_order_no ('' for none), traceparent, offer ('' for none, = for the offer of
--       the request before)
-- Returns { now_ms, epoch, stock left, reservations so far, code 1, value 1, code 2, value 2, ... }
--   A accepted (order id)      D duplicate click (the first order's id)     U the click's number was used with another quantity
--   S sold out (stock left)    M purchase limit (limit)     E early (starts_ms)   L late (ends_ms)
--   P paused                   I the order id already belongs to another order
--   C cold: Redis does not know the stock (never loaded, or lost), or the gate is closed until it is loaded again
--   X too late: a frozen server delayed the call for so long that the caller has been answered already.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local sale = redis.call('HMGET', KEYS[2], 'starts_ms', 'ends_ms', 'limit', 'epoch', 'paused', 'held', 'seq', 'expire_ms', 'closed')
local counter = redis.call('GET', KEYS[1])
local n = (#ARGV - 1) / 6

if now > tonumber(ARGV[1]) then
  local late = { now, 0, 0, 0 }
  for _ = 1, n do late[#late + 1] = 'X'; late[#late + 1] = '' end
  return late
end

if not counter or not sale[4] or is_shut(sale[9]) then
  local cold = { now, 0, 0, 0 }
  for _ = 1, n do cold[#cold + 1] = 'C'; cold[#cold + 1] = '' end
  return cold
end

local stock = need_number(counter, 'counter', KEYS[1])
local starts, ends = need_number(sale[1], 'starts_ms', KEYS[2]), need_number(sale[2], 'ends_ms', KEYS[2])
local limit, epoch = need_number(sale[3], 'limit', KEYS[2]), sale[4]
local held, seq = need_number(sale[6] or '0', 'held', KEYS[2]), need_number(sale[7] or '0', 'seq', KEYS[2])
local expires = expiry_beside(KEYS[2], sale[8], now)
local reply = { now, need_number(epoch, 'epoch', KEYS[2]), 0, 0 }

-- One read for all buyers and one for all clicks; `buyer` and `click` then overlay the writes of this call.
local ids, users, clicks = {}, {}, {}
for i = 1, n do
  local at = (i - 1) * 6 + 1
  ids[i] = ARGV[at + 1]
  users[i] = ARGV[at + 2]
  clicks[i] = ARGV[at + 2] .. ':' .. ARGV[at + 4]
end
local known, clicked = redis.call('HMGET', KEYS[4], unpack(users)), redis.call('HMGET', KEYS[5], unpack(clicks))
local recorded = redis.call('HMGET', KEYS[3], unpack(ids))
local buyer, click, used = {}, {}, {}
for i = 1, n do
  if recorded[i] then used[ids[i]] = true end
  buyer[users[i]] = known[i] or buyer[users[i]]
  if ARGV[(i - 1) * 6 + 5] ~= '' then click[clicks[i]] = clicked[i] or click[clicks[i]] end
end

-- Whether the click's number belongs to an order with another quantity: that is a different order, so it must not be the answer.
local quantities = {}
local function is_other(first, quantity)
  local before = quantities[first] or quantity_of(redis.call('HGET', KEYS[3], first) or '') or redis.call('HGET', KEYS[5], '#' .. first)
  return before and before ~= quantity
end

local newOrders, newBuyers, newClicks, newOutbox, taken, accepted, offer = {}, {}, {}, {}, 0, 0, ''
for i = 1, n do
  local at = (i - 1) * 6 + 1
  local id, user, qty, client = ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4]
  local had = buyer[user] and tonumber((read_buyer(buyer[user]))) or 0
  local code, value
  if ARGV[at + 6] ~= '=' then offer = ARGV[at + 6] end
  if click[clicks[i]] and is_other(click[clicks[i]], ARGV[at + 3]) then code, value = 'U', ''
  elseif click[clicks[i]] then code, value = 'D', click[clicks[i]]
  elseif sale[5] == '1' then code, value = 'P', ''
  elseif now < starts then code, value = 'E', sale[1]
  elseif now >= ends then code, value = 'L', sale[2]
  elseif had + qty > limit then code, value = 'M', sale[3]
  elseif stock - taken < qty then code, value = 'S', tostring(stock - taken)
  -- Two instances with the same Snowflake node make the same ids; overwriting the first order would lose it.
  elseif used[id] then code, value = 'I', ''
  else
    code, value = 'A', id
    taken = taken + qty
    accepted = accepted + 1
    used[id] = true
    quantities[id] = ARGV[at + 3]
    buyer[user] = write_buyer(had + qty, id)
    newBuyers[#newBuyers + 1] = user; newBuyers[#newBuyers + 1] = buyer[user]
    if client ~= '' then
      click[clicks[i]] = id
      newClicks[#newClicks + 1] = clicks[i]; newClicks[#newClicks + 1] = id
    end
    newOrders[#newOrders + 1] = id
    newOrders[#newOrders + 1] = write_pending(ARGV[at + 3], user, epoch, string.format('%.0f', now), client,
      offer == '' and ARGV[at + 5] or ARGV[at + 5] .. ';' .. offer)
    newOutbox[#newOutbox + 1] = now; newOutbox[#newOutbox + 1] = id
  end
  reply[#reply + 1] = code; reply[#reply + 1] = value
end

if accepted > 0 then
  -- A script that fails halfway is not rolled back, so keys of a wrong type must fail before the first write. The others were read above.
  redis.call('ZCARD', KEYS[6])
  redis.call('DECRBY', KEYS[1], taken)
  redis.call('HSET', KEYS[3], unpack(newOrders))
  redis.call('HSET', KEYS[4], unpack(newBuyers))
  if #newClicks > 0 then redis.call('HSET', KEYS[5], unpack(newClicks)) end
  redis.call('ZADD', KEYS[6], unpack(newOutbox))
  redis.call('HSET', KEYS[2], 'held', held + taken, 'seq', seq + accepted)
  -- A key that expired or was deleted and is created again needs its time to live; setting it every 256 orders is often enough.
  if expires > 0 and (seq == 0 or math.floor(seq / 256) ~= math.floor((seq + accepted) / 256)) then
    for k = 3, 6 do redis.call('PEXPIREAT', KEYS[k], expires) end
  end
end
reply[3], reply[4] = stock - taken, seq + accepted
return reply
