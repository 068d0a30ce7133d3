-- Reads what routing needs from the body of an OpenAI request, once, without parsing all of it.
--
-- The scanner walks over strings and brackets only; it knows its depth and JSON's escapes, so text
-- inside a prompt can never pass for a key. Where a real parser could read something else than this
-- scanner, the request is refused: duplicate keys, keys with escapes, a body that is no object.
--
-- Placeholders between at signs are filled in when the listener is rendered.

local find, byte, sub, format = string.find, string.byte, string.sub, string.format
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
local KEYS = {model = true, stream = true, prompt_cache_key = true, tools = true, functions = true}

-- Position of the quote that ends the string opened at `quote`, or nil.
local function string_end(s, quote)
  local from = quote + 1
  while true do
    local e = find(s, '"', from, true)
    if not e then return nil end
    local k = e - 1
    while byte(s, k) == 92 do k = k - 1 end
    if (e - 1 - k) % 2 == 0 then return e end
    from = e + 1
  end
end

-- Value after a key: text of a string with its first and last byte, or a literal, "[" or "[]" alone.
local function value_at(s, i)
  local _, colon = find(s, "^%s*:%s*", i)
  local c = byte(s, colon + 1)
  if c == 34 then
    local e = string_end(s, colon + 1)
    if not e then return nil end
    return sub(s, colon + 2, e - 1), colon + 1, e
  elseif c == 91 then
    return find(s, "^%s*%]", colon + 2) and "[]" or "["
  end
  return s:match("^[a-z]*", colon + 1)
end

-- Top-level values of KEYS as {text, first byte, last byte}; or nil and what is wrong.
local function scan(s)
  if not find(s, "^%s*{") then return nil, "the body is not a JSON object" end
  local out, i, depth = {}, 1, 0
  while true do
    local a = find(s, '["{}%[%]]', i)
    if not a then return out end
    local c = byte(s, a)
    if c == 34 then
      local e = string_end(s, a)
      if not e then return nil, "the body ends inside a string" end
      i = e + 1
      if depth == 1 and find(s, "^%s*:", i) then
        local key = sub(s, a + 1, e - 1)
        if find(key, "\\", 1, true) then return nil, "a top-level key is written with escapes" end
        if KEYS[key] then
          if out[key] then return nil, "the key " .. key .. " is there twice" end
          local text, first, last = value_at(s, i)
          out[key] = {text, first, last}
          if last then i = last + 1 end
        end
      end
    elseif c == 123 or c == 91 then
      depth = depth + 1
      i = a + 1
    else
      depth = depth - 1
      i = a + 1
      if depth == 0 then return out end
    end
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
  local key = found.prompt_cache_key and found.prompt_cache_key[1]
  if not key or key == "" then key = hd:get(SESSION) or hd:get(USER) end
  local draw = key and key ~= "" and hash(key) or random(h)
  hd:add("x-tokenfleet-model", name)
  hd:add("x-tokenfleet-stream", found.stream and found.stream[1] == "true" and "true" or "false")
  hd:add("x-tokenfleet-tools", (tools and tools[1] == "[" or functions and functions[1] == "[") and "true" or "false")
  hd:add("x-tokenfleet-bytes", tostring(size))
  hd:add("x-tokenfleet-bucket", format("%03d", draw % 1000))
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
  hd:add("x-tokenfleet-served", serves)
  hd:add("x-tokenfleet-length", tostring(size))
  hd:add("x-tokenfleet-model-at", model[2] .. ":" .. last)
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

local function streams(headers)
  local kind = headers:get("content-type")
  return kind and find(kind, "^text/event%-stream")
end

-- A first token later than SLOW_MS is measured here, at the moment it arrives; faster ones by the
-- attempt log. A pool that sends headers ahead of the first token is measured at its first chunk.
function envoy_on_response(h)
  local hd = h:headers()
  local told = hd:get("x-tokenfleet-wait")
  if not told then return end
  hd:remove("x-tokenfleet-wait")
  local wait, labels = told:match("^(%d+)|(.*)$")
  if not wait or byte(hd:get(":status")) ~= 50 then return end
  wait = tonumber(wait)
  local pool = hd:get("x-tokenfleet-pool")
  local first = streams(hd) and now(h)
  if h:metadata():get("early " .. pool) then
    local started = h:timestamp() - wait
    for chunk in h:bodyChunks() do
      if chunk:length() > 0 then
        wait = h:timestamp() - started
        first = first and now(h)
        break
      end
    end
  end
  if wait >= SLOW_MS then
    hd = h:headers()
    local rule = hd:get("x-tokenfleet-route") .. "/" .. hd:get("x-tokenfleet-rule")
    h:httpCall("first-token.internal", {
      [":method"] = "POST", [":path"] = "/", [":authority"] = "first-token",
      ["x-key"] = rule .. "|" .. labels, ["x-pool"] = pool, ["x-wait"] = format("%d", wait),
    }, nil, 1000, true)
  end
  if first then pace(h, first) end
end
