-- KEYS[1] record   ARGV[1] header of the caller's record in progress
-- ARGV[2], to undo a claim: the attempts that do not count
-- 1: the key is free now, or was given back before │ 0: not the caller's │ '': damaged
local held = redis.call('GETRANGE', KEYS[1], 0, 36)
if string.sub(held, 1, 2) == '\2R' and string.sub(held, 22) == string.sub(ARGV[1], 3) then return 1 end
if redis.call('GETRANGE', KEYS[1], 0, 17) ~= ARGV[1] then return 0 end
local past, left = redis.call('GETRANGE', KEYS[1], 99, -1), redis.call('PTTL', KEYS[1])
local attempts = tonumber(string.sub(past, 1, 6))
if not attempts then return '' end
attempts = attempts - tonumber(ARGV[2] or 0)
redis.call('DEL', KEYS[1]) -- first: full memory stops only the first write of a script
if attempts > 0 and left > 0 then
  redis.call('SET', KEYS[1], '\2R' .. string.format('%06d', attempts) .. string.sub(past, 7, 19) .. string.sub(ARGV[1], 3), 'PX', left)
end
for channel in string.gmatch(string.sub(past, 20), '[^,]+') do redis.call('PUBLISH', channel, KEYS[1]) end
return 1
