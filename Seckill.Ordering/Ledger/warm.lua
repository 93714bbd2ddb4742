-- Loads a SKU's stock from MySQL into the gate; the caller holds the SKU's row lock in MySQL, so nothing is committed meanwhile.
-- A running counter is never overwritten: then only the sale's terms are updated.
-- KEYS  1 stock  2 sale  3 orders  4 buyers  5 clicks  6 outbox     (all in the SKU's slot)
-- ARGV  1 stock in MySQL  2 gate epoch in MySQL  3 token of the load in MySQL, '' for none  4 token of this load
--       5 starts_ms  6 ends_ms  7 limit  8 paused (0, 1)  9 expire_ms
--       10 carry (1: ARGV 18 and up are all unsettled orders that MySQL has decided, committed or rejected; 0: unknown)
--       11 the load here when this was decided, epoch:token, ':' for none, '*' for any: a call delayed by a frozen server must not
--          overwrite a newer counter with an old number
--       12 again (1: load although the counter is running, because this is not the server that took the load; -1: set the terms only, and
--          refuse if the counter was lost or closed since)
--       13 run id of the server when this was decided, '' if unknown  14 `counted` then, or as restore.lua has left it since, '' for none:
--          a promoted replica with the same load has other unsettled orders and other buyers
--       15 `warmed` then, '' for none: a delayed call must not overwrite newer terms either; '*' for 11 skips all these checks
--       16 channel of outcomes  17 SKU
-- Returns { loaded (1), running (0) or refused (-1), epoch, stock }
--
-- A load is identified by its epoch and its token. The epoch orders loads and tells which load has counted an order. Two loads can have
-- the same epoch, if one dies before MySQL records it and the epoch is then raised there for another reason. The token is random for each
-- load. Loads by instances without tokens have none, on both sides.
-- Calls are counted (`warmed`), because a change of terms leaves the load as it is.
local stock = redis.call('GET', KEYS[1])
local sale = redis.call('HMGET', KEYS[2], 'epoch', 'load', 'closed', 'counted', 'warmed')
local epoch, load = sale[1] and need_number(sale[1], 'epoch', KEYS[2]), sale[2] or ''
if stock then stock = need_number(stock, 'counter', KEYS[1]) end
-- The run id of this Redis process, if the account may read it, else ''. Read before the first write: a script is not rolled back.
local info = redis.pcall('INFO', 'server')
local server = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
if ARGV[11] ~= '*' then
  local same = server == '' or ARGV[13] == '' or ARGV[13] == server
  local newest = ARGV[11] == (sale[1] or '') .. ':' .. load and ARGV[14] == (sale[4] or '') and ARGV[15] == (sale[5] or '')
  if not same or not newest then return { -1, epoch or 0, 0 } end
end
if ARGV[12] == '-1' and (not stock or is_shut(sale[3])) then return { -1, epoch or 0, 0 } end
-- Keys that have not been read must be checked before the first write, for the same reason.
if ARGV[10] == '1' then redis.call('ZCARD', KEYS[6]); redis.call('HLEN', KEYS[3]) end
redis.call('HINCRBY', KEYS[2], 'warmed', 1)
redis.call('HSET', KEYS[2], 'starts_ms', ARGV[5], 'ends_ms', ARGV[6], 'limit', ARGV[7], 'paused', ARGV[8], 'expire_ms', ARGV[9])
local loaded = 0
-- A load other than MySQL's means that one side lost its data, or that a load died halfway. A closed gate means that a reload was
-- requested.
if not stock or epoch ~= tonumber(ARGV[2]) or load ~= ARGV[3] or is_shut(sale[3]) or ARGV[12] == '1' then
  epoch = math.max(epoch or 0, tonumber(ARGV[2])) + 1
  local held = 0
  if ARGV[10] == '1' then
    -- Reservations unknown to MySQL stay deducted, now from the new counter. The decided ones keep their old epoch: MySQL's number
    -- includes them, so settling must not change the counter for them again.
    local decided = {}
    for i = 18, #ARGV do decided[ARGV[i]] = true end
    for _, id in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do
      local record = not decided[id] and redis.call('HGET', KEYS[3], id)
      if record then
        local qty, user, _, reserved, client, trace = read_pending(record)
        if qty then
          held = held + tonumber(qty)
          redis.call('HSET', KEYS[3], id, write_pending(qty, user, epoch, reserved, client, trace))
        end
      end
    end
  end
  stock = tonumber(ARGV[1]) - held
  redis.call('SET', KEYS[1], stock)
  -- The run id later shows whether this is still the server that took this load, with everything it has accepted since.
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'load', ARGV[4], 'held', held, 'closed', 0, 'run_id', server)
  loaded = 1
end
-- All six keys expire together, also when the sale has been extended or shortened since they were created.
local expires = kept_until(ARGV[9], now_ms())
for k = 1, 6 do redis.call('PEXPIREAT', KEYS[k], expires) end
-- Every instance still refuses clicks from memory if the counter was empty before.
if loaded == 1 and stock > 0 then
  redis.call('PUBLISH', ARGV[16], ARGV[17] .. '\n' .. string.format('%.0f', stock))
end
return { loaded, epoch, stock }
