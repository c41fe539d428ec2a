-- Removes what is past its time. Returns in how many ms to come again, -1 for never.
local keys = redis.call('ZRANGEBYSCORE', root .. ':ends', '-inf', '(' .. text(millis), 'LIMIT', 0, 128)
for _, key in ipairs(keys) do remove(key, EXPIRED) end
if #keys > 0 then save() end
local first = redis.call('ZRANGE', root .. ':ends', 0, 0, 'WITHSCORES')
if #first == 0 then return -1 end
return math.max(first[2] - millis + 1, 0)
