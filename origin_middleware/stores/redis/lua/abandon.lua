-- KEYS[1] record   ARGV[1] header of the caller's record in progress
-- ARGV[2], to undo a take-over: the attempts that do not count
-- 1: its lease has ended, and its effects may have begun │ 0: not the caller's
if redis.call('GETRANGE', KEYS[1], 0, 17) ~= ARGV[1] then return 0 end
local left = redis.call('PTTL', KEYS[1])
if left <= 0 then return 0 end
redis.call('PEXPIRE', KEYS[1], left) -- full memory stops only the first write of a script
if redis.call('GETRANGE', KEYS[1], 0, 0) == '' then return 0 end -- expired just now: do not write it anew, without expiry
redis.call('SETRANGE', KEYS[1], 75, '10000000000')
if ARGV[2] then
  local attempt = tonumber(redis.call('GETRANGE', KEYS[1], 99, 104)) - tonumber(ARGV[2])
  redis.call('SETRANGE', KEYS[1], 99, string.format('%06d', attempt))
  redis.call('SETRANGE', KEYS[1], 2, string.rep('\0', 16))
end
local waiting = redis.call('GETRANGE', KEYS[1], 118, -1)
for channel in string.gmatch(waiting, '[^,]+') do redis.call('PUBLISH', channel, KEYS[1]) end
return 1
