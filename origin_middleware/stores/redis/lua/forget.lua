-- KEYS[1] record, KEYS[2] its body   ARGV[1] its first 18 bytes
-- 1: gone │ 0: another record
if redis.call('GETRANGE', KEYS[1], 0, 17) ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[1], KEYS[2])
return 1
