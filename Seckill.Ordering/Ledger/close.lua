-- Closes the gate until the counter is loaded again. Not for a SKU that Redis does not know: that gate is closed already.
-- KEYS  1 stock  2 sale
if redis.call('HEXISTS', KEYS[2], 'epoch') == 0 then return 0 end
redis.call('HSET', KEYS[2], 'closed', 1)
return 1
