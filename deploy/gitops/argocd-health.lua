-- Argo CD's health check of a DocSpaceBackupSchedule: Healthy if the portal holds the schedule and no backup is known to
-- be missing. Add it to the ConfigMap argocd-cm under
--   resource.customizations.health.docspace.onlyoffice.com_DocSpaceBackupSchedule: |
local conditions = {}
if obj.status ~= nil and obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    conditions[condition.type] = condition
  end
end

local function is(kind, status)
  return conditions[kind] ~= nil and conditions[kind].status == status
end

local function health(status, kind)
  local message = ""
  if conditions[kind] ~= nil then
    message = conditions[kind].message
  end
  return {status = status, message = message}
end

if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "Waiting for the operator"}
end
if is("Suspended", "True") then
  return health("Suspended", "Suspended")
end
if is("Stalled", "True") then
  return health("Degraded", "Ready")
end
if is("Reconciling", "True") then
  return health("Progressing", "Ready")
end
if not is("Ready", "True") then
  return health("Degraded", "Ready")
end
-- Unknown is not a failure: no backup was due, or one is running. The alerts report an Unknown that lasts too long.
if is("BackupFresh", "False") then
  return health("Degraded", "BackupFresh")
end
return health("Healthy", "Ready")
