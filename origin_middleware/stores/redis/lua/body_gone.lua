-- KEYS[1] record, KEYS[2] its body   ARGV[1] header of the record that points to the body
-- 1: it points to nothing, and does not end at this moment, as the body has │ 0: there is a body, or another record
if redis.call('GETRANGE', KEYS[1], 0, 17) ~= ARGV[1] then return 0 end
if redis.call('GETRANGE', KEYS[2], 0, 0) ~= '' then return 0 end
return redis.call('PTTL', KEYS[1]) > 1000 and 1 or 0
