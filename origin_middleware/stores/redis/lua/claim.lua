-- KEYS[1] record   ARGV[1] record in progress, ARGV[2] retention in ms, ARGV[3] not-after in ms of the server's clock
-- nil: claimed │ {record, time to live}: held │ record: finished │ error LATE <server ms>
local held = redis.call('GET', KEYS[1])
if held then
  if string.sub(held, 2, 2) == 'P' then return {held, redis.call('PTTL', KEYS[1])} end
  return held
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now > tonumber(ARGV[3]) then return redis.error_reply(string.format('LATE %.0f', now)) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
