-- Reads what routing needs from the body of an OpenAI request, once, without parsing all of it.
--
-- The scanner walks over strings and brackets only; it knows its depth and JSON's escapes, so text
-- inside a prompt can never pass for a key. Where a real parser could read something else than this
-- scanner, the request is refused: duplicate keys, keys with escapes, a body that is no object.
--
-- Placeholders between at signs are filled in when the listener is rendered.

local find, byte, sub, match, format = string.find, string.byte, string.sub, string.match, string.format
local floor = math.floor
local bxor, lshift, rshift, band, tobit = bit.bxor, bit.lshift, bit.rshift, bit.band, bit.tobit

local FEATURE, REQUEST_TYPE, USER, SESSION = @FEATURE@, @REQUEST_TYPE@, @USER@, @SESSION@
local SLOW_MS = @SLOW_MS@
local PATHS = {
  ["/v1/chat/completions"] = true,
  ["/v1/completions"] = true,
  ["/v1/embeddings"] = true,
  ["/v1/messages"] = true,
  ["/v1/responses"] = true,
}
local USAGE = {
  prompt_tokens = '"prompt_tokens"%s*:%s*(%d+)',
  cached_prompt_tokens = '"cached_tokens"%s*:%s*(%d+)',
  completion_tokens = '"completion_tokens"%s*:%s*(%d+)',
}
local LONGEST_USAGE = 8192
local KEYS = {model = true, stream = true, prompt_cache_key = true, tools = true, functions = true}

-- Position of the quote that ends the string opened at `quote`, or nil.
local function string_end(s, quote)
  local e = find(s, '"', quote + 1, true)
  while e do
    local k = e - 1
    while byte(s, k) == 92 do k = k - 1 end
    if (e - 1 - k) % 2 == 0 then return e end
    e = find(s, '"', e + 1, true)
  end
end

-- Position of the first byte from `i` on that is no white space.
local function skip(s, i)
  local c = byte(s, i)
  while c == 32 or c == 10 or c == 13 or c == 9 do
    i = i + 1
    c = byte(s, i)
  end
  return i
end

-- Value at `i`: text of a string with its first and last byte, or alone the start of a literal, "["
-- or "[]".
local function value_at(s, i)
  local c = byte(s, i)
  if c == 34 then
    local e = string_end(s, i)
    if not e then return nil end
    return sub(s, i + 1, e - 1), i, e
  elseif c == 91 then
    return byte(s, skip(s, i + 1)) == 93 and "[]" or "["
  end
  return sub(s, i, i + 3)
end

-- Top-level values of KEYS as {text, first byte, last byte}; or nil and what is wrong. Bytes and
-- plain searches only: LuaJIT compiles those, and interprets whatever takes a pattern.
local function scan(s)
  local i, depth, out = skip(s, 1), 0, {}
  if byte(s, i) ~= 123 then return nil, "the body is not a JSON object" end
  while true do
    local c = byte(s, i)
    if c == 34 then
      local e = string_end(s, i)
      if not e then return nil, "the body ends inside a string" end
      if depth == 1 then
        local colon = skip(s, e + 1)
        if byte(s, colon) == 58 then
          local key = sub(s, i + 1, e - 1)
          if find(key, "\\", 1, true) then return nil, "a top-level key is written with escapes" end
          if KEYS[key] then
            if out[key] then return nil, "the key " .. key .. " is there twice" end
            local text, first, last = value_at(s, skip(s, colon + 1))
            out[key] = {text, first, last}
            e = last or colon
          end
        end
      end
      i = e
    elseif c == 123 or c == 91 then
      depth = depth + 1
    elseif c == 125 or c == 93 then
      depth = depth - 1
      if depth == 0 then return out end
    elseif not c then
      return out
    end
    i = i + 1
  end
end

-- 32-bit product; Lua's numbers are exact to 2^53 only, hence in two halves.
local function mul(a, b)
  return tobit(band(a, 0xffff) * b + lshift(tobit(rshift(a, 16) * b), 16))
end

-- MurmurHash3's finalizer: every bit of the input reaches every bit of the output.
local function mix(h)
  h = mul(bxor(h, rshift(h, 16)), 0x85ebca6b)
  h = mul(bxor(h, rshift(h, 13)), 0xc2b2ae35)
  return bxor(h, rshift(h, 16))
end

-- FNV-1a (RFC 9923) and the finalizer.
local function hash(s)
  local h = tobit(2166136261)
  for i = 1, #s do h = mul(bxor(h, byte(s, i)), 16777619) end
  return mix(h)
end

local drawn = hash(tostring({}))

local function random(h)
  drawn = mix(tobit(drawn + 0x9e3779b9 + h:timestamp()))
  return drawn
end

local function refuse(h, param, message)
  h:respond(
    {[":status"] = "400", ["content-type"] = "application/json"},
    format('{"error":{"message":"%s","type":"invalid_request_error","param":%s,"code":null}}', message, param)
  )
end

function envoy_on_request(h)
  local path = h:headers():get(":path")
  local query = find(path, "?", 1, true)
  if query then path = sub(path, 1, query - 1) end
  if not PATHS[path] then return end
  local body = h:body()
  if body == nil then return refuse(h, "null", "the request has no body") end
  local size = body:length()
  local text = body:getBytes(0, size)
  local found, wrong = scan(text)
  if not found then return refuse(h, "null", wrong) end
  local model = found.model
  if not model or not model[2] or model[1] == "" then
    return refuse(h, '"model"', "you must provide a model parameter")
  end
  local name = model[1]
  if find(name, "\\", 1, true) then name = name:gsub("\\/", "/") end
  local tools, functions = found.tools, found.functions
  local hd = h:headers() -- reading the body invalidates the handle taken before it
  local cached = found.prompt_cache_key
  local key = cached and cached[2] and cached[1]
  if not key or key == "" then key = hd:get(SESSION) or hd:get(USER) end
  local draw = key and key ~= "" and hash(key) or random(h)
  hd:add("x-tokenfleet-model", name)
  hd:add("x-tokenfleet-facts", format(
    "bucket=%03d stream=%s tools=%s bytes=%d",
    draw % 1000,
    found.stream and found.stream[1] == "true" and "true" or "false",
    (tools and tools[1] == "[" or functions and functions[1] == "[") and "true" or "false",
    size
  ))
  h:clearRouteCache()
  local route = h:metadata()
  local feature, kind = hd:get(FEATURE), hd:get(REQUEST_TYPE)
  if not (feature and route:get("feature " .. feature)) then feature = "other" end
  if not (kind and route:get("request_type " .. kind)) then kind = "other" end
  hd:add("x-tokenfleet-labels", feature .. "|" .. kind)
  -- Most requests end at the pool that is asked first, so its name is put in here, once. The pools
  -- after it find the place in the header.
  local serves, last = route:get("serves"), model[3]
  if not serves then return end
  if serves ~= model[1] then
    size = body:setBytes(sub(text, 1, model[2]) .. serves .. sub(text, last))
    hd:replace("content-length", tostring(size))
    last = model[2] + #serves + 1
  end
  hd:add("x-tokenfleet-served", model[2] .. ":" .. last .. ":" .. serves)
end

-- Microseconds of the wall clock.
local function now(h)
  return tonumber(h:timestampString(EnvoyTimestampResolution.MICROSECOND))
end

-- Leaves the microseconds per token after the first one for the access log. A stream whose usage is
-- not known leaves nothing, nor does one that ends early: this coroutine is then never resumed.
local function pace(h, first)
  h:trailers() -- waits for the end without looking at chunks
  local usage = h:streamInfo():dynamicMetadata():get("tokenfleet")
  local tokens = usage and usage.completion_tokens
  local spent = now(h) - first
  if not tokens or tokens < 2 or spent < 0 then return end -- the wall clock can be set back
  h:streamInfo():dynamicMetadata():set("tokenfleet", "pace", floor(spent / (tokens - 1)))
end

-- Leaves the usage of a whole answer for the access log, reading chunks as they pass. A key of this
-- name can be nowhere else: inside strings quotes are escaped. `arrived`, if any, is called at once.
local function usage(h, arrived)
  local rest = ""
  for chunk in h:bodyChunks() do
    if arrived then arrived = arrived() end
    local text = rest .. chunk:getBytes(0, chunk:length())
    local at, ahead = find(text, '"usage"', 1, true), nil
    while at do
      local object = match(text, "^%s*:%s*(%b{})", at + 7)
      if object then
        local metadata = h:streamInfo():dynamicMetadata()
        for name, pattern in pairs(USAGE) do
          local count = match(object, pattern)
          if count then metadata:set("tokenfleet", name, tonumber(count)) end
        end
        return
      elseif find(text, "^%s*:?%s*$", at + 7) or find(text, "^%s*:%s*{", at + 7) then
        ahead = at -- its end is in the next chunk
        break
      end
      at = find(text, '"usage"', at + 7, true)
    end
    rest = sub(text, ahead or -6)
    if #rest > LONGEST_USAGE then return end
  end
end

-- A first token later than SLOW_MS is measured here, at the moment it arrives; faster ones by the
-- attempt log. A pool that sends headers ahead of the first token is measured at its first chunk.
function envoy_on_response(h)
  local hd = h:headers()
  local told = hd:get("x-tokenfleet-wait")
  if not told then return end
  hd:remove("x-tokenfleet-wait")
  local bar = find(told, "|", 1, true)
  local wait = tonumber(sub(told, 1, bar - 1))
  if not wait or byte(hd:get(":status")) ~= 50 then return end
  local kind, pool = hd:get("content-type") or "", hd:get("x-tokenfleet-pool")
  local streams = sub(kind, 1, 17) == "text/event-stream"
  local first = streams and now(h)

  local function arrived()
    if wait < SLOW_MS then return end
    local headers = h:headers()
    local rule = headers:get("x-tokenfleet-route") .. "/" .. headers:get("x-tokenfleet-rule")
    h:httpCall("first-token.internal", {
      [":method"] = "POST", [":path"] = "/", [":authority"] = "first-token",
      ["x-key"] = rule .. sub(told, bar) .. ";" .. pool, ["x-wait"] = format("%d", wait),
    }, nil, 1000, true)
  end

  local early = h:metadata():get("early " .. pool)
  local sent = early and h:timestamp() - wait
  if not early then arrived() end
  if not streams then
    usage(h, early and function()
      wait = h:timestamp() - sent
      arrived()
    end)
    return
  end
  if early then
    for chunk in h:bodyChunks() do
      if chunk:length() > 0 then
        first, wait = now(h), h:timestamp() - sent
        arrived()
        break
      end
    end
  end
  pace(h, first)
end
