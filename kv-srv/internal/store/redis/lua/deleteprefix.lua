-- Returns how many items were removed, and where to go on, '' for nowhere.
local from, to = unpack(ARGV)
local keys = redis.call('ZRANGEBYLEX', root .. ':keys', from, to, 'LIMIT', 0, 128)
local removed = 0
for _, key in ipairs(keys) do
  if redis.call('EXISTS', root .. ':i:' .. key) == 1 then
    remove(key, DELETED)
    removed = removed + 1
  end
end
if removed > 0 then save() end
if #keys < 128 then return {removed, ''} end
return {removed, '(' .. keys[128]}
