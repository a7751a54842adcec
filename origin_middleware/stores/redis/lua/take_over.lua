-- As claim.lua, but somebody else's record of the same request, whose lease has lapsed, counts as absent.
local held = redis.call('GET', KEYS[1])
if held then
  if string.sub(held, 2, 2) ~= 'P' then return held end
  local left = redis.call('PTTL', KEYS[1])
  local lease, retention = tonumber(string.sub(held, 51, 60)), tonumber(string.sub(held, 61, 73))
  local own = string.sub(held, 1, 18) == string.sub(ARGV[1], 1, 18)
  local same = string.sub(held, 19, 50) == string.sub(ARGV[1], 19, 50)
  if own or not same or lease > retention - left then return {held, left} end
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now > tonumber(ARGV[3]) then return redis.error_reply(string.format('LATE %.0f', now)) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
