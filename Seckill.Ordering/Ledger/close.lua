-- Closes the gate until the counter is loaded again. Not for a SKU that Redis does not know: that gate is closed already.
-- KEYS  1 stock  2 sale
-- ARGV  1 epoch of the counter to close, '' for any: a counter that has been loaded meanwhile stays open
-- Returns 1 when the gate is closed now, by this call or before, else 0
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if not epoch or (ARGV[1] ~= '' and ARGV[1] ~= epoch) then return 0 end
redis.call('HSET', KEYS[2], 'closed', 1)
return 1
