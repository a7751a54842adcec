-- KEYS[1] record   ARGV[1] header of the caller's record in progress
-- 1: the key is absent now │ 0: not the caller's
if redis.call('GETRANGE', KEYS[1], 0, 17) ~= ARGV[1] then return 0 end
local waiting = redis.call('GETRANGE', KEYS[1], 73, -1)
redis.call('DEL', KEYS[1])
for channel in string.gmatch(waiting, '[^,]+') do redis.call('PUBLISH', channel, KEYS[1]) end
return 1
