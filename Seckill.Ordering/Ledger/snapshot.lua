-- Reads at one moment what reconciling compares with MySQL.
-- KEYS  1 stock  2 sale  3 orders  4 buyers  5 clicks  6 outbox     (all in the SKU's slot)
-- ARGV  1 most unsettled order ids to return  2 lowest score that says "confirmed"
-- Returns { stock or '', epoch or '', token of the load or '', held, unsettled, unconfirmed,
--   same server as at the load (0, 1; -1: not known, for the account may not ask), closed (0, 1),
--   terms: starts_ms|ends_ms|limit|paused|expire_ms, ids... };
-- no ids when there are more than asked for.
local sale = redis.call('HMGET', KEYS[2], 'epoch', 'held', 'run_id', 'closed', 'load')
local terms = redis.call('HMGET', KEYS[2], 'starts_ms', 'ends_ms', 'limit', 'paused', 'expire_ms')
for i = 1, 5 do terms[i] = terms[i] or '' end
local unsettled = redis.call('ZCARD', KEYS[6])
local info = redis.pcall('INFO', 'server')
local server = type(info) == 'string' and string.match(info, 'run_id:(%w+)')
local same = -1
if server and sale[3] ~= '' then same = sale[3] == server and 1 or 0 end
local reply = {
  redis.call('GET', KEYS[1]) or '', sale[1] or '', sale[5] or '', tonumber(sale[2] or 0), unsettled,
  redis.call('ZCOUNT', KEYS[6], '-inf', '(' .. ARGV[2]), same, tonumber(sale[4] or 0), table.concat(terms, '|'),
}
if unsettled <= tonumber(ARGV[1]) then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do reply[#reply + 1] = id end
end
return reply
