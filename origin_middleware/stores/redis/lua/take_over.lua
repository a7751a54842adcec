-- As claim.lua, for an abandoned record of the same request.
-- ARGV[5] '1': only to ask a reconciler, which does not count as an attempt; ARGV[6] the owner that it wants to take over from ('' for any)
-- nil: nobody holds the key, and an ordinary claim has to be made
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 1, 2) == '\2R' then return false end
if string.sub(held, 1, 2) ~= '\2P' then return held end -- whatever it is
local left = redis.call('PTTL', KEYS[1])
local lease, retention = tonumber(string.sub(held, 77, 86)), tonumber(string.sub(held, 87, 99))
local own = string.sub(held, 3, 18) == string.sub(ARGV[1], 3, 18)
local same = string.sub(held, 19, 50) == string.sub(ARGV[1], 19, 50)
local wanted = ARGV[6] == '' or string.sub(held, 3, 18) == ARGV[6]
if own or not wanted or not same or not lease or not retention or lease > retention - left then return {held, left} end
local past, inquires = string.sub(held, 100, 118), ARGV[5] == '1'
local attempt = tonumber(string.sub(past, 1, 6))
if not attempt then return '' end -- damaged
if not inquires then attempt = attempt + 1 end
if attempt > tonumber(ARGV[4]) and not inquires then return '\2R' .. past end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now > tonumber(ARGV[3]) then return redis.error_reply(string.format('LATE %.0f', now)) end
-- What it takes over may have had effects, whatever becomes of its own.
local record = string.sub(ARGV[1], 1, 75) .. '1' .. string.sub(ARGV[1], 77)
redis.call('SET', KEYS[1], record .. string.format('%06d', attempt) .. string.sub(past, 7), 'PX', ARGV[2])
return attempt
