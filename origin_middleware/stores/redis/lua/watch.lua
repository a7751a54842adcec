-- KEYS[1] record   ARGV[1] wake-up channel of the process that waits ('' for none)
-- nil: absent, or abandoned before its effects began │ {record, time to live}: held, and the channel is told when that ends │ record: finished
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, 1) ~= '\2' then return held end -- whatever it is
local state = held and string.sub(held, 2, 2)
if state == 'R' then return false end
if state ~= 'P' then return held end
local left = redis.call('PTTL', KEYS[1])
if string.sub(held, 76, 76) == '0' then
  local lease, retention = tonumber(string.sub(held, 77, 86)), tonumber(string.sub(held, 87, 99))
  if lease and retention and lease <= retention - left then return false end
end
if ARGV[1] ~= '' and not string.find(held, ARGV[1] .. ',', 119, true) then
  redis.pcall('APPEND', KEYS[1], ARGV[1] .. ',') -- refused by full memory: then it is looked at again
end
return {held, left}
