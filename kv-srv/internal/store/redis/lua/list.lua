-- Returns the version, what follows (0: nothing, 1: another item, 2: unknown, go on from
-- the position), the position, and then keys and items.
local from, to, limit, room, names, held = unpack(ARGV)
limit, room, held = tonumber(limit), tonumber(room), tonumber(held)
settle()
local page = {text(version), 0, from}
for _ = 1, 16 do
  local keys = redis.call('ZRANGEBYLEX', root .. ':keys', page[3], to, 'LIMIT', 0, 128)
  for _, key in ipairs(keys) do
    local item = root .. ':i:' .. key
    local record
    if names ~= '' then record = redis.call('GETRANGE', item, 0, 8191) else record = redis.call('GET', item) end
    if record and record ~= '' then
      if names ~= '' then record = string.sub(record, 1, HEAD + 4 + struct.unpack('>I4', record, HEAD + 1)) end
      room = room - #key - #record + HEAD + 4
      if held == limit or (held > 0 and room < 0) then
        page[2] = 1
        return page
      end
      held = held + 1
      page[#page + 1] = key
      page[#page + 1] = record
    end
    page[3] = '(' .. key
  end
  if #keys < 128 then return page end
end
page[2] = 2
return page
