-- As claim.lua, but somebody else's record of the same request, whose lease has lapsed, counts as released.
-- ARGV[5] '1': only to ask a reconciler, which does not count as an attempt; ARGV[6] the owner that it wants to take over from ('' for any)
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, 1) ~= '\2' then return held end -- whatever it is
local state = held and string.sub(held, 2, 2)
local past, inquires, effects = nil, false, string.sub(ARGV[1], 76, 76)
if state == 'P' then
  local left = redis.call('PTTL', KEYS[1])
  local lease, retention = tonumber(string.sub(held, 77, 86)), tonumber(string.sub(held, 87, 99))
  local own = string.sub(held, 3, 18) == string.sub(ARGV[1], 3, 18)
  local same = string.sub(held, 19, 50) == string.sub(ARGV[1], 19, 50)
  local wanted = own or ARGV[6] == '' or string.sub(held, 3, 18) == ARGV[6]
  if own or not wanted or not same or not lease or not retention or lease > retention - left then return {held, left} end
  past = string.sub(held, 100, 118)
  -- What it takes over may have had effects, whatever becomes of its own.
  if string.sub(held, 76, 76) == '1' then inquires, effects = ARGV[5] == '1', '1' end
elseif ARGV[6] ~= '' and (not state or state == 'R') then
  return '\2R' .. string.rep('0', 19) -- given back, or gone, since it was seen
elseif state == 'R' then
  past = string.sub(held, 3, 21)
elseif state then
  return held
end
if past and not tonumber(string.sub(past, 1, 6)) then return '' end -- damaged
local attempt = past and tonumber(string.sub(past, 1, 6)) or 0
if not inquires then attempt = attempt + 1 end
if attempt > tonumber(ARGV[4]) and not inquires then return '\2R' .. past end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now > tonumber(ARGV[3]) then return redis.error_reply(string.format('LATE %.0f', now)) end
local begun = past and string.sub(past, 7) or string.format('%013.0f', now)
local record = string.sub(ARGV[1], 1, 75) .. effects .. string.sub(ARGV[1], 77)
redis.call('SET', KEYS[1], record .. string.format('%06d', attempt) .. begun, 'PX', ARGV[2])
return attempt
