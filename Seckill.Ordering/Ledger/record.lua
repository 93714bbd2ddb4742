-- The records in a SKU's hashes, and the functions that read and write them. This stands before every script that does.
-- Fields are parted by '|'. In C#, Reservation reads them.
--
-- orders hash, order id -> reservation
--   P|quantity|user id|epoch|reserved_ms|client_order_no|traceparent                                          pending
--   S or F|quantity|user id|epoch|reserved_ms|client_order_no|traceparent|settled_ms[,confirmed_ms]|detail    succeeded or failed
--   epoch: the load of the counter that it was deducted from; -1 for another producer's order, which was not deducted
--   client_order_no: '' for none
--   traceparent: traceparent[;offer], each '' for none; offer is price@version of what the click was accepted under
--   confirmed_ms: when the broker confirmed, if that was noted before the order was settled; until then the outbox has it
--   detail: order number or reason; the only field that may hold a '|'
-- clicks hash, user id:client_order_no -> order id; and #order id -> quantity, where a load has given the click back without its order
-- buyers hash, user id -> units bought or held|newest order id
-- outcome channel, a line for each settled order: order id|reservation
local function is_pending(reservation) return string.sub(reservation, 1, 1) == 'P' end

local function write_pending(quantity, user, epoch, reserved, client, trace)
  return table.concat({ 'P', quantity, user, epoch, reserved, client, trace }, '|')
end

-- quantity, user, epoch, reserved, client, trace; nothing when it is not a pending one.
local function read_pending(reservation)
  return string.match(reservation, '^P|(%d+)|(%d+)|(%d+)|(%d+)|([^|]*)|(.*)$')
end

-- When the buyer was told SUCCESS, and the order number; nothing when it is no reservation that succeeded.
local function read_success(reservation)
  return string.match(reservation, '^S|%d+|%d+|%-?%d+|%d+|[^|]*|[^|]*|(%d+)[^|]*|(.*)$')
end

-- The quantity of any reservation; nothing when it is not ours.
local function quantity_of(reservation) return string.match(reservation, '^[PSF]|(%d+)|') end

local function write_settled(state, quantity, user, epoch, reserved, client, trace, settled, confirmed, detail)
  local times = confirmed and settled .. ',' .. confirmed or settled
  return table.concat({ state, quantity, user, epoch, reserved, client, trace, times, detail }, '|')
end

local function write_buyer(units, order) return units .. '|' .. order end

-- units, newest order; nothing when it is not ours.
local function read_buyer(buyer) return string.match(buyer, '^(%d+)|(.*)$') end

