-- KEYS[1] record, KEYS[2] its body, where that has a key of its own   ARGV[1] finished record up to its status, ARGV[2] retention in ms, ARGV[3] response
-- error NOBODY (servers put ERR before a single word): nothing written, because the body is not there │ 'owned' │ 'claim_lost' │ 'claim_taken': written (or written before) │ {record}: another completion was first
local header = redis.call('GETRANGE', KEYS[1], 0, 17)
local state, own = string.sub(header, 2, 2), string.sub(header, 3) == string.sub(ARGV[1], 3, 18)
if state ~= '' and state ~= 'P' and state ~= 'R' or header ~= '' and string.sub(header, 1, 1) ~= '\2' then
  if own then return 'owned' end
  return {redis.call('GET', KEYS[1])}
end
if KEYS[2] and redis.call('GETRANGE', KEYS[2], 0, 0) == '' then return redis.error_reply('NOBODY is there') end
local t = redis.call('TIME')
local now = string.format('%013.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local past, waiting = '000000' .. now, ''
if state == 'P' then
  local rest = redis.call('GETRANGE', KEYS[1], 99, -1)
  past, waiting = string.sub(rest, 1, 19), string.sub(rest, 20)
elseif state == 'R' then -- released is absent
  past = redis.call('GETRANGE', KEYS[1], 2, 20)
end
-- Small states are written into full memory too: it stops only the first write of a script.
if string.sub(ARGV[1], 2, 2) ~= 'C' then redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[1] .. past .. now .. ARGV[3], 'PX', ARGV[2])
for channel in string.gmatch(waiting, '[^,]+') do redis.call('PUBLISH', channel, KEYS[1]) end
if state ~= 'P' then return 'claim_lost' end
return own and 'owned' or 'claim_taken'
