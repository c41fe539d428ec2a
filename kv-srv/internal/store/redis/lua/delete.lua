local key, only, name = unpack(ARGV)
local before = answered(name)
if before then return before end
local there = head(key)
if there == '' then return MISSING end
if only ~= '' and not is(there, only) then return VERSION end
remove(key, DELETED)
save()
return answer(name, text(version))
