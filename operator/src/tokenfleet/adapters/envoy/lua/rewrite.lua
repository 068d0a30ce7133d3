-- Puts the name that the pool's engine expects into `model`; runs once per attempt.
--
-- The request filter has found the value's place already, so nothing is searched here.

local sub, match = string.sub, string.match

function envoy_on_request(h)
  local first, last = match(h:headers():get("x-tokenfleet-model-at") or "", "^(%d+):(%d+)$")
  if not first then return end
  local body = h:body()
  if body == nil then return end
  local s = body:getBytes(0, body:length())
  local size = body:setBytes(sub(s, 1, first) .. @MODEL@ .. sub(s, last))
  h:headers():replace("content-length", tostring(size))
end
