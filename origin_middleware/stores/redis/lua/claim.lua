-- KEYS[1] record   ARGV[1] record in progress, ARGV[2] retention in ms, ARGV[3] not-after in ms of the server's clock, ARGV[4] the most attempts
-- nil: claimed │ {record, time to live}: held │ record: finished, or released too often │ error LATE <server ms>
local held = redis.call('GET', KEYS[1])
local state = held and string.sub(held, 2, 2)
if state == 'P' then return {held, redis.call('PTTL', KEYS[1])} end
if state and state ~= 'R' then return held end
local attempts = state and tonumber(string.sub(held, 3, 8)) or 0
if attempts >= tonumber(ARGV[4]) then return held end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now > tonumber(ARGV[3]) then return redis.error_reply(string.format('LATE %.0f', now)) end
local begun = state and string.sub(held, 9, 21) or string.format('%013.0f', now)
redis.call('SET', KEYS[1], ARGV[1] .. string.format('%06d', attempts + 1) .. begun, 'PX', ARGV[2])
return false
