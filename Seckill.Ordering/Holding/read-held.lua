-- Reads the workers' latest reports. Workers that have been silent for too long are removed.
-- KEYS  1 hash, see note-held.lua     ARGV  1 longest silence, ms
-- Returns, for each worker, how long ago (ms) it picked up the oldest message that it can still hold.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local reply = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local written, age = string.match(all[i + 1], '^(%d+)|(%d+)$')
  -- No time and no age has more than fourteen digits; a larger number would fit into no reply.
  if written and #written <= 14 and #age <= 14 and now - written <= tonumber(ARGV[1]) then
    reply[#reply + 1] = now - written + age
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return reply
