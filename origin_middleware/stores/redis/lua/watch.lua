-- KEYS[1] record   ARGV[1] wake-up channel of the process that waits ('' for none)
-- nil: absent │ {record, time to live}: held, and the channel is told when that ends │ record: finished
local held = redis.call('GET', KEYS[1])
local state = held and string.sub(held, 2, 2)
if state == 'R' then return false end
if state ~= 'P' then return held end
if ARGV[1] ~= '' and not string.find(held, ARGV[1] .. ',', 93, true) then
  redis.pcall('APPEND', KEYS[1], ARGV[1] .. ',') -- refused by full memory: then it is looked at again
end
return {held, redis.call('PTTL', KEYS[1])}
