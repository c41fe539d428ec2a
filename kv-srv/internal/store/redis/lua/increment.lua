local key, delta, ttl, name = unpack(ARGV)

-- sum adds decimal numbers, or returns nil and why it cannot. Lua's own are exact up to
-- 15 digits; Redis adds longer ones.
local function sum(value)
  local sign, digits = string.match(value, '^([+-]?)(%d+)$')
  if not digits then return nil, NOT_NUMBER end
  digits = string.gsub(digits, '^0+(%d)', '%1')
  if sign == '+' or digits == '0' then sign = '' end
  if #digits < 16 and #delta < 16 then return text(tonumber(sign .. digits) + tonumber(delta)) end
  local scratch = root .. ':sum'
  redis.call('SET', scratch, sign .. digits)
  local result = redis.pcall('INCRBY', scratch, delta)
  local total = redis.call('GET', scratch)
  redis.call('DEL', scratch)
  if type(result) == 'number' then return total end
  if string.find(result.err, 'overflow', 1, true) then return nil, OVERFLOW end
  return nil, NOT_NUMBER
end

local before = answered(name)
if before then return before end
local there = redis.call('GET', root .. ':i:' .. key) or ''
local ends, metadata, value = 0, string.rep('\0', 4), '0'
if there == '' then
  ends = ending(ttl)
else
  local length
  ends, length = struct.unpack('>I8I4', there, 17)
  metadata = string.sub(there, HEAD + 1, HEAD + 4 + length)
  value = string.sub(there, HEAD + 5 + length)
end
local total, why = sum(value)
if not total then return why end
store(key, there, ends, metadata .. total)
save()
return answer(name, text(version) .. ' ' .. total)
