-- KEYS[1] record   ARGV[1] its last byte to be read
-- {its beginning, time to live, length}
return {redis.call('GETRANGE', KEYS[1], 0, ARGV[1]), redis.call('PTTL', KEYS[1]), redis.call('STRLEN', KEYS[1])}
