-- Health of tokenfleet.dev kinds for Argo CD: is the spec in force? Degraded is what only a person
-- can heal; what time may heal is Progressing. A missed objective or a fallback in use is not a sick
-- application, so Met and Voting are not looked at.
local hs = {status = "Progressing", message = "Waiting for the operator"}
if obj.status == nil or obj.status.conditions == nil then return hs end
if obj.status.observedGeneration ~= obj.metadata.generation then
  hs.message = "Waiting for the operator to see this generation"
  return hs
end

local refused = {
  ConfigLost = true, ConfigRefused = true, ConfigTooLarge = true, ConfigUnreadable = true,
  NotAcknowledged = true,
}
local is = {}
for _, condition in ipairs(obj.status.conditions) do is[condition.type] = condition end

local function no(type, reason)
  local found = is[type]
  return found ~= nil and found.status == "False" and (reason == nil or found.reason == reason)
end

local function say(status, type)
  hs.status = status
  hs.message = is[type].reason .. ": " .. (is[type].message or "")
  return hs
end

if no("Accepted") then return say("Degraded", "Accepted") end
if no("ResolvedRefs") then return say("Degraded", "ResolvedRefs") end
if no("Programmed") and refused[is.Programmed.reason] then return say("Degraded", "Programmed") end
if no("Progressing", "DeadlineExceeded") then return say("Degraded", "Progressing") end
if no("DataAvailable", "AccessDenied") then return say("Degraded", "DataAvailable") end
if no("Available", "ScaledToZero") then return say("Healthy", "Available") end
if is.Ready == nil then return hs end
if is.Ready.status ~= "True" then return say("Progressing", "Ready") end
if is.Progressing ~= nil and is.Progressing.status == "True" then
  return say("Progressing", "Progressing")
end
hs.status = "Healthy"
hs.message = is.Ready.message
return hs
