-- Loads a SKU's stock from MySQL into the gate; the caller holds the SKU's row lock in MySQL.
-- A running counter is never loaded over: only the sale's terms are brought up to date then.
-- KEYS  1 stock  2 sale
-- ARGV  1 stock in MySQL  2 gate epoch in MySQL  3 starts_ms  4 ends_ms  5 limit  6 paused (0, 1)  7 expire_ms
-- Returns { loaded (1) or running (0), epoch, stock }
redis.call('HSET', KEYS[2], 'starts_ms', ARGV[3], 'ends_ms', ARGV[4], 'limit', ARGV[5], 'paused', ARGV[6], 'expire_ms', ARGV[7])
local stock, epoch = redis.call('GET', KEYS[1]), tonumber(redis.call('HGET', KEYS[2], 'epoch') or nil)
local loaded = 0
-- Another epoch than MySQL's means that one side lost its memory, or that a load died half-way: load again.
if not stock or epoch ~= tonumber(ARGV[2]) then
  epoch = math.max(epoch or 0, tonumber(ARGV[2])) + 1
  stock = ARGV[1]
  redis.call('SET', KEYS[1], stock)
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'held', 0)
  loaded = 1
end
redis.call('PEXPIREAT', KEYS[1], ARGV[7])
redis.call('PEXPIREAT', KEYS[2], ARGV[7])
return { loaded, epoch, tonumber(stock) }
