-- KEYS[1] record   ARGV[1] record in progress, ARGV[2] retention in ms, ARGV[3] not-after in ms of the server's clock, ARGV[4] the most attempts
-- number: claimed, as which attempt │ {record, time to live}: held │ record: finished, or released too often │ error LATE <server ms>
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, 1) ~= '\2' then return held end -- whatever it is
local state = held and string.sub(held, 2, 2)
local past
if state == 'P' then
  local left = redis.call('PTTL', KEYS[1])
  local own = string.sub(held, 3, 18) == string.sub(ARGV[1], 3, 18)
  local same = string.sub(held, 19, 50) == string.sub(ARGV[1], 19, 50)
  if own or not same or string.sub(held, 76, 76) ~= '0' then return {held, left} end
  -- Abandoned before its effects began, it has done nothing, and counts as released.
  local lease, retention = tonumber(string.sub(held, 77, 86)), tonumber(string.sub(held, 87, 99))
  if not lease or not retention or lease > retention - left then return {held, left} end
  past = string.sub(held, 100, 118)
elseif state == 'R' then
  past = string.sub(held, 3, 21)
elseif state then
  return held
end
if past and not tonumber(string.sub(past, 1, 6)) then return '' end -- damaged
local attempt = past and tonumber(string.sub(past, 1, 6)) + 1 or 1
if attempt > tonumber(ARGV[4]) then return '\2R' .. past end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now > tonumber(ARGV[3]) then return redis.error_reply(string.format('LATE %.0f', now)) end
local begun = past and string.sub(past, 7) or string.format('%013.0f', now)
redis.call('SET', KEYS[1], ARGV[1] .. string.format('%06d', attempt) .. begun, 'PX', ARGV[2])
return attempt
