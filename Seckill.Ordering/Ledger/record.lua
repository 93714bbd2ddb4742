-- The records in a SKU's hashes, and the functions that read and write them. Prepended to every script that does so.
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

-- quantity, user, epoch, reserved, client, trace; nothing when the record is not a pending reservation.
local function read_pending(reservation)
  return string.match(reservation, '^P|(%d+)|(%d+)|(%d+)|(%d+)|([^|]*)|(.*)$')
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

