-- Returns the version of now, if all changes after another one are in the log.
local from = ARGV[1]
settle()
if from == '0' or from == text(version) then return text(version) end
if tonumber(from) > version then return COMPACTED end
local later = redis.call('XRANGE', root .. ':log', '(' .. from .. '-0', '+', 'COUNT', 1)
if #later == 0 or later[1][2][4] ~= from then return COMPACTED end
return text(version)
