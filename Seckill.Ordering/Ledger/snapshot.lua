-- Reads a consistent snapshot of the data that reconciling compares with MySQL.
-- KEYS  1 stock  2 sale  3 orders  4 buyers  5 clicks  6 outbox     (all in the SKU's slot)
-- ARGV  1 most unsettled order ids to return  2 lowest score that means "confirmed"  3 most unsettled orders whose records are read
-- Returns { stock or '', epoch or '', token of the load or '', held, unsettled, unconfirmed,
--   same server as at the load (0, 1; -1: unknown, because the account may not read it), closed (0, 1),
--   terms: starts_ms|ends_ms|limit|paused|expire_ms,
--   units of the unsettled reservations that this counter holds (-1: not read), { ids of unsettled orders that are settled here },
--   run id of the server ('': unknown), `counted` (see restore.lua) or '', `warmed` (see warm.lua) or '', ids... };
-- no ids when there are more than requested.
local sale = redis.call('HMGET', KEYS[2], 'epoch', 'held', 'run_id', 'closed', 'load', 'counted', 'warmed')
-- The numbers that books, loads and verdicts cannot do without: where one is damaged, the SKU is reported as unreadable. Terms are compared
-- as text, and set anew; `seq` is only the gate's.
local stock = redis.call('GET', KEYS[1])
if stock then need_number(stock, 'counter', KEYS[1]) end
for i, field in pairs({ [1] = 'epoch', [6] = 'counted', [7] = 'warmed' }) do
  if sale[i] then need_number(sale[i], field, KEYS[2]) end
end
local held = need_number(sale[2] or '0', 'held', KEYS[2])
local terms = redis.call('HMGET', KEYS[2], 'starts_ms', 'ends_ms', 'limit', 'paused', 'expire_ms')
for i = 1, 5 do terms[i] = terms[i] or '' end
local unsettled = redis.call('ZCARD', KEYS[6])
local info = redis.pcall('INFO', 'server')
local server = type(info) == 'string' and string.match(info, 'run_id:(%w+)')
local same = -1
if server and sale[3] ~= '' then same = sale[3] == server and 1 or 0 end
local reply = {
  stock or '', sale[1] or '', sale[5] or '', held, unsettled,
  redis.call('ZCOUNT', KEYS[6], '-inf', '(' .. ARGV[2]), same, is_shut(sale[4]) and 1 or 0, table.concat(terms, '|'),
}
local ids = unsettled <= tonumber(ARGV[1]) and redis.call('ZRANGE', KEYS[6], 0, -1) or {}
local units, told = -1, {}
if #ids == unsettled and unsettled <= tonumber(ARGV[3]) then
  units = 0
  local records = unsettled > 0 and redis.call('HMGET', KEYS[3], unpack(ids)) or {}
  for i, id in ipairs(ids) do
    local qty, _, epoch = read_pending(records[i] or '')
    if qty and epoch == sale[1] then units = units + qty end
    if records[i] and not is_pending(records[i]) then told[#told + 1] = id end
  end
end
reply[10], reply[11], reply[12], reply[13], reply[14] = units, told, server or '', sale[6] or '', sale[7] or ''
for _, id in ipairs(ids) do reply[#reply + 1] = id end
return reply
