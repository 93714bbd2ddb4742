-- Loads a SKU's stock from MySQL into the gate; the caller holds the SKU's row lock in MySQL, so nothing is committed meanwhile.
-- A running counter is never loaded over: only the sale's terms are brought up to date then.
-- KEYS  1 stock  2 sale  3 orders  4 buyers  5 clicks  6 outbox     (all in the SKU's slot)
-- ARGV  1 stock in MySQL  2 gate epoch in MySQL  3 starts_ms  4 ends_ms  5 limit  6 paused (0, 1)  7 expire_ms
--       8 carry (1: ARGV 10 and on are all unsettled orders that MySQL has decided, committed or rejected; 0: that is not known)
--       9 the epoch here when this was decided, '' for none, '*' for any: a call that a frozen server kept must not load an old number
--         over a newer counter
-- Returns { loaded (1), running (0) or refused (-1), epoch, stock }
local before = redis.call('HGET', KEYS[2], 'epoch') or ''
if ARGV[9] ~= '*' and ARGV[9] ~= before then return { -1, tonumber(before) or 0, 0 } end
redis.call('HSET', KEYS[2], 'starts_ms', ARGV[3], 'ends_ms', ARGV[4], 'limit', ARGV[5], 'paused', ARGV[6], 'expire_ms', ARGV[7])
local stock = redis.call('GET', KEYS[1])
local sale = redis.call('HMGET', KEYS[2], 'epoch', 'closed')
local epoch = tonumber(sale[1] or nil)
local loaded = 0
-- Another epoch than MySQL's means that one side lost its memory, or that a load died half-way; a closed gate, that somebody wants
-- the counter loaded again.
if not stock or epoch ~= tonumber(ARGV[2]) or sale[2] == '1' then
  epoch = math.max(epoch or 0, tonumber(ARGV[2])) + 1
  local held = 0
  if ARGV[8] == '1' then
    -- Reservations that MySQL knows nothing of yet stay deducted, now from the new counter. The decided ones keep their old epoch:
    -- the number from MySQL has counted them, settling must not move the counter for them again.
    local decided = {}
    for i = 10, #ARGV do decided[ARGV[i]] = true end
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
  -- The run id tells later whether the server is still the one that took this load, with all that it took since.
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'held', held, 'closed', 0,
    'run_id', string.match(redis.call('INFO', 'server'), 'run_id:(%w+)'))
  loaded = 1
end
-- All six end together, also when the sale has been prolonged or shortened since they were made.
for k = 1, 6 do redis.call('PEXPIREAT', KEYS[k], ARGV[7]) end
return { loaded, epoch, tonumber(stock) }
