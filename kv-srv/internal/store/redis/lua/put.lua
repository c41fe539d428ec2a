local key, rest, ttl, absent, only, name = unpack(ARGV)
local before = answered(name)
if before then return before end
local there = head(key)
if absent ~= '' and there ~= '' then return EXISTS end
if only ~= '' and (there == '' or not is(there, only)) then return VERSION end
store(key, there, ending(ttl), rest)
save()
return answer(name, text(version))
