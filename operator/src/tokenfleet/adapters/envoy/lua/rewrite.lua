-- Puts the name that the pool's engine expects into `model`; runs once per attempt.
--
-- The request filter has put in the name for the pool that is asked first, and said where.

local sub, match = string.sub, string.match
local SERVES = @MODEL@

function envoy_on_request(h)
  local headers = h:headers()
  local served = headers:get("x-tokenfleet-served")
  if not served then return end
  if served == SERVES then -- the body is right, but an attempt before may have changed its length
    headers:replace("content-length", headers:get("x-tokenfleet-length"))
    return
  end
  local first, last = match(headers:get("x-tokenfleet-model-at"), "^(%d+):(%d+)$")
  local body = h:body()
  if body == nil then return end
  local s = body:getBytes(0, body:length())
  local size = body:setBytes(sub(s, 1, first) .. SERVES .. sub(s, last))
  h:headers():replace("content-length", tostring(size))
end
