local key, ttl = unpack(ARGV)
local there = redis.call('GET', root .. ':i:' .. key)
if not there then return MISSING end
store(key, there, ending(ttl), string.sub(there, HEAD + 1))
save()
return text(version)
