-- Puts the name that the pool's engine expects into `model`, once per attempt.
--
-- The request filter has put in the name for the pool that is asked first, and said where; attempts
-- on pools that expect this name skip the filter, until it has changed content-length once: headers
-- are shared by all attempts, bodies are not.

local sub, match = string.sub, string.match
local SERVES = @MODEL@

function envoy_on_request(h)
  local served = h:headers():get("x-tokenfleet-served")
  if not served then return end
  local body = h:body()
  if body == nil then return end
  local first, last = match(served, "(%d+):(%d+):")
  local s = body:getBytes(0, body:length())
  local size = body:setBytes(sub(s, 1, first) .. SERVES .. sub(s, last))
  local headers = h:headers() -- reading the body invalidates the handle taken before it
  headers:replace("content-length", tostring(size))
  headers:replace("x-tokenfleet-served", "changed " .. served)
end
