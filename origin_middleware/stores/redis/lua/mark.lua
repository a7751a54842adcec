-- KEYS[1] the mark of the server   ARGV[1] a mark to begin with, ARGV[2] time to live in ms, ARGV[3] 1 to begin with it in any case
-- the mark: another one than before where data was lost
if ARGV[3] == '1' then redis.call('DEL', KEYS[1]) end
local mark = redis.call('GETRANGE', KEYS[1], 0, -1)
if mark == '' then
  mark = ARGV[1]
  redis.call('APPEND', KEYS[1], mark)
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return mark
