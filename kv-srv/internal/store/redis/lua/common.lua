-- Each script begins with this. KEYS[1] is the state of a namespace, kv:{NAMESPACE}, a hash:
--   v  the version of the last change, text since it is too large for a short number
--   n  how many changes the log has
--   b  how many bytes
-- Beside it, and in the same slot of a cluster:
--   :i:KEY     an item: version, time of the write in µs and end in ms (0: none), of 8 bytes
--              each; the length of the metadata in 4 bytes; the metadata; the value
--   :keys      the keys, a sorted set
--   :ends      when items end, in ms, a sorted set
--   :log       the last changes, a stream: k kind, p the version before, i key, r item
--   :sizes     the bytes of each change of the log, a list
--   :r:NAME    what a request with an ID was answered
-- An answer of 0 or less is a refusal.
local MISSING, EXISTS, VERSION, NOT_NUMBER, OVERFLOW, COMPACTED = 0, -1, -2, -3, -4, -5
local PUT, DELETED, EXPIRED = 'p', 'd', 'x'
local HEAD = 24 -- bytes before the metadata's length

local root = KEYS[1]
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local millis = math.floor(micros / 1000)
local state = redis.call('HMGET', root, 'v', 'n', 'b')
local version = tonumber(state[1] or 0)
local entries = tonumber(state[2] or 0)
local bytes = tonumber(state[3] or 0)

local function text(number) return string.format('%.0f', number) end

-- tell appends a change to the log, and stores the item of a change that has one. Versions
-- follow the clock, so none is used twice where changes were lost. A full Redis refuses the
-- first command of a script alone, and some: SET and XADD, not DEL, and later ones pass. So a
-- script does all or nothing.
local function tell(kind, key, item)
  local before = version
  version = math.max(version + 1, micros)
  local record = ''
  if item then
    record = struct.pack('>I8I8I8', version, micros, item.ends) .. item.rest
    if item.ends > 0 then
      redis.call('SET', root .. ':i:' .. key, record, 'PXAT', text(item.ends))
    else
      redis.call('SET', root .. ':i:' .. key, record)
    end
  end
  redis.call('XADD', root .. ':log', text(version) .. '-0', 'k', kind, 'p', text(before), 'i', key, 'r', record)
  local size = #key + #record
  redis.call('RPUSH', root .. ':sizes', size)
  entries, bytes = entries + 1, bytes + size
end

-- bury tells the end of an item that is past its time, if nobody has.
local function bury(key)
  if not redis.call('ZSCORE', root .. ':ends', key) then return end
  tell(EXPIRED, key)
  redis.call('ZREM', root .. ':ends', key)
  redis.call('ZREM', root .. ':keys', key)
end

-- store stores an item, of which head was there before, '' for nothing.
local function store(key, head, ends, rest)
  if head == '' then bury(key) end
  tell(PUT, key, {ends = ends, rest = rest})
  if head == '' then redis.call('ZADD', root .. ':keys', 0, key) end
  if ends > 0 then
    redis.call('ZADD', root .. ':ends', text(ends), key)
  elseif head ~= '' and struct.unpack('>I8', head, 17) > 0 then
    redis.call('ZREM', root .. ':ends', key)
  end
end

-- remove removes an item that is there.
local function remove(key, kind)
  redis.call('DEL', root .. ':i:' .. key)
  tell(kind, key)
  redis.call('ZREM', root .. ':keys', key)
  redis.call('ZREM', root .. ':ends', key)
end

-- save saves the state after changes, and shortens the log when it has grown by an eighth.
local function save()
  local most, large = 4096, 16777216
  if entries > most + most / 8 or bytes > large + large / 8 then
    while entries > 1 and (entries > most or bytes > large) do
      bytes = bytes - (redis.call('LPOP', root .. ':sizes') or 0)
      entries = entries - 1
    end
    redis.call('XTRIM', root .. ':log', 'MAXLEN', entries)
  end
  redis.call('HSET', root, 'v', text(version), 'n', entries, 'b', bytes)
end

-- settle gives a namespace that nobody has written to a version to watch from.
local function settle()
  if version > 0 then return end
  version = micros
  save()
end

local function head(key) return redis.call('GETRANGE', root .. ':i:' .. key, 0, HEAD - 1) end

local function is(record, wanted) return text(struct.unpack('>I8', record)) == wanted end

local function ending(ttl)
  if ttl == '0' then return 0 end
  return millis + ttl
end

-- A request without an ID has no name. An answer is kept for a little more than ten minutes.
local function answered(name) return name ~= '' and redis.call('GET', root .. ':r:' .. name) end

local function answer(name, what)
  if name ~= '' then redis.call('SET', root .. ':r:' .. name, what, 'PX', 605000) end
  return what
end
