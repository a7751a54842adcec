-- As claim.lua, but somebody else's record of the same request, whose lease has lapsed, counts as released.
-- ARGV[5] '1': to inquire, which is no attempt of its own
local held = redis.call('GET', KEYS[1])
local state = held and string.sub(held, 2, 2)
local attempts, begun, inquires = 0, nil, false
if state == 'P' then
  local left = redis.call('PTTL', KEYS[1])
  local lease, retention = tonumber(string.sub(held, 51, 60)), tonumber(string.sub(held, 61, 73))
  local own = string.sub(held, 1, 18) == string.sub(ARGV[1], 1, 18)
  local same = string.sub(held, 19, 50) == string.sub(ARGV[1], 19, 50)
  if own or not same or lease > retention - left then return {held, left} end
  attempts, begun, inquires = tonumber(string.sub(held, 74, 79)), string.sub(held, 80, 92), ARGV[5] == '1'
  if attempts >= tonumber(ARGV[4]) and not inquires then return '\1R' .. string.sub(held, 74, 92) end
elseif state == 'R' then
  attempts, begun = tonumber(string.sub(held, 3, 8)), string.sub(held, 9, 21)
  if attempts >= tonumber(ARGV[4]) then return held end
elseif state then
  return held
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now > tonumber(ARGV[3]) then return redis.error_reply(string.format('LATE %.0f', now)) end
if not inquires then attempts = attempts + 1 end
local past = string.format('%06d', attempts) .. (begun or string.format('%013.0f', now))
redis.call('SET', KEYS[1], ARGV[1] .. past, 'PX', ARGV[2])
return false
