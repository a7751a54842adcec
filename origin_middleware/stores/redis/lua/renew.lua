-- KEYS[1] record   ARGV[1] header of the caller's record in progress, ARGV[2] retention in ms, ARGV[3] lease, 10 digits
-- ARGV[4] '1' where its effects begin
-- 1: renewed │ 0: not the caller's, or the caller has ended it
local held = redis.call('GETRANGE', KEYS[1], 0, 85)
if string.sub(held, 1, 18) ~= ARGV[1] or string.sub(held, 77) == '0000000000' then return 0 end
local renewed = redis.call('PEXPIRE', KEYS[1], ARGV[2]) -- first: full memory stops only the first write of a script
redis.call('SETRANGE', KEYS[1], 75, (ARGV[4] or string.sub(held, 76, 76)) .. ARGV[3])
return renewed
