-- The records and numbers in a SKU's keys, and the functions that read and write them. Prepended to every script that does so.
-- Fields are separated by '|'. In C#, Reservation reads them.
--
-- orders hash, order id -> reservation
--   P|quantity|user id|epoch|reserved_ms|client_order_no|traceparent                                          pending
--   S or F|quantity|user id|epoch|reserved_ms|client_order_no|traceparent|settled_ms[,confirmed_ms]|detail    succeeded or failed
--   epoch: the load of the counter that the units were deducted from; -1 for another producer's order, which was not deducted
--   client_order_no: '' for none
--   traceparent: traceparent[;offer], each '' for none; offer is price@version, under which the click was accepted
--   confirmed_ms: time of the broker's confirm, if it came before the order was settled; until then the outbox holds it
--   detail: order number or reason; the only field that may contain a '|'
-- clicks hash, user id:client_order_no -> order id; and #order id -> quantity, if a load has restored the click without its order
-- buyers hash, user id -> units bought or held|newest order id
-- outcome channel, a line for each settled order: order id|reservation
local function is_pending(reservation) return string.sub(reservation, 1, 1) == 'P' end

local function write_pending(quantity, user, epoch, reserved, client, trace)
  return table.concat({ 'P', quantity, user, epoch, reserved, client, trace }, '|')
end

-- quantity, user, epoch, reserved, client, trace; nothing when the record is not a pending reservation. With more digits than a quantity
-- or an epoch ever has, it is not: no counter could take a total of such quantities.
local function read_pending(reservation)
  local quantity, user, epoch, reserved, client, trace =
    string.match(reservation, '^P|(%d+)|(%d+)|(%d+)|(%d+)|([^|]*)|(.*)$')
  if quantity and #quantity <= 10 and #epoch <= 16 then return quantity, user, epoch, reserved, client, trace end
end

-- Time of the result SUCCESS, and the order number; nothing when the record is not a successful reservation.
local function read_success(reservation)
  return string.match(reservation, '^S|%d+|%d+|%-?%d+|%d+|[^|]*|[^|]*|(%d+)[^|]*|(.*)$')
end

-- The quantity of any reservation; nothing when the record is not in our format.
local function quantity_of(reservation) return string.match(reservation, '^[PSF]|(%d+)|') end

local function write_settled(state, quantity, user, epoch, reserved, client, trace, settled, confirmed, detail)
  local times = confirmed and settled .. ',' .. confirmed or settled
  return table.concat({ state, quantity, user, epoch, reserved, client, trace, times, detail }, '|')
end

local function write_buyer(units, order) return units .. '|' .. order end

-- units, newest order; nothing when the entry is not in our format.
local function read_buyer(buyer) return string.match(buyer, '^(%d+)|(.*)$') end

-- The whole number that is stored as this text; nothing when it is none, or larger than Lua's numbers can hold exactly.
local function number_of(text)
  local number = text and string.match(text, '^%-?%d+$') and tonumber(text)
  if number and math.abs(number) <= 2^53 then return number end
end

-- The same, but anything else ends the script with an error that names the place. A script that fails halfway is not rolled back, so
-- every number that it cannot do without is read before its first write.
local function need_number(text, field, key)
  local number = number_of(text)
  if not number then error('value is not an integer: ' .. field .. ' of ' .. key, 0) end
  return number
end

-- Whether the gate is closed. Anything but 0 counts as closed, because the load that follows sets the field anew.
local function is_shut(closed) return closed and closed ~= '0' end

-- The time at which a sale's keys expire; 0 when it is no time, or over, because a time in the past would delete them.
local function expiry_of(expire_ms, now)
  local expires = number_of(expire_ms) or 0
  return expires > now and expires or 0
end

-- The same for keys that a script may create. If that time is no time, or over, they live as long as the sale's own key.
local function expiry_beside(sale_key, expire_ms, now)
  local expires = expiry_of(expire_ms, now)
  if expires > 0 then return expires end
  local left = redis.call('PTTL', sale_key)
  return left > 0 and now + left or 0
end

-- The time by this server's clock, ms since 1970.
local function now_ms()
  local clock = redis.call('TIME')
  return clock[1] * 1000 + math.floor(clock[2] / 1000)
end

-- When the keys of a load expire. Instead of a time that is over it is a day from now: until then, the orders that are not settled yet can
-- still be published.
local function kept_until(expire_ms, now)
  local expires = expiry_of(expire_ms, now)
  return expires > 0 and expires or now + 86400000
end

