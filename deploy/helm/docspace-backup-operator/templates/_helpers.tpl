{{- define "operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* At most 50 characters, so that a name with a suffix stays within the 63 characters of a label. */}}
{{- define "operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := include "operator.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Name of cluster-scoped resources: unique for releases of the same name in different namespaces. */}}
{{- define "operator.clusterName" -}}
{{ include "operator.fullname" . }}.{{ .Release.Namespace }}
{{- end }}

{{/* Name of resources in a namespace that several releases may share: (list $ namespace) */}}
{{- define "operator.nameIn" -}}
{{- $root := index . 0 }}
{{- $own := eq (index . 1) $root.Release.Namespace }}
{{- include (ternary "operator.fullname" "operator.clusterName" $own) $root }}
{{- end }}

{{/* Name and namespace of a resource: (list $ namespace suffix); the release's namespace by default. */}}
{{- define "operator.elsewhere" -}}
{{- $root := index . 0 }}
{{- $namespace := default $root.Release.Namespace (index . 1) -}}
name: {{ include "operator.nameIn" (list $root $namespace) }}{{ index . 2 }}
namespace: {{ $namespace | quote }}
{{- end }}

{{- define "operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* global.imageRegistry replaces the registry of the repository, which is its first part if that looks like a host. */}}
{{- define "operator.image" -}}
{{- $global := default dict .Values.global }}
{{- with .Values.image -}}
{{- if $global.imageRegistry -}}
{{ trimSuffix "/" $global.imageRegistry }}/{{ regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" .repository "" }}
{{- else -}}
{{ .repository }}
{{- end }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{/* Labels and annotations of a resource: (list $ component labels annotations) */}}
{{- define "operator.metadata" -}}
{{- $root := index . 0 -}}
labels:
  {{- $own := dict
    "app.kubernetes.io/name" (include "operator.name" $root)
    "app.kubernetes.io/instance" $root.Release.Name
    "app.kubernetes.io/component" (index . 1)
    "app.kubernetes.io/version" $root.Chart.AppVersion
    "app.kubernetes.io/managed-by" $root.Release.Service
    "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
  {{- merge $own (index . 2) $root.Values.labels | toYaml | nindent 2 }}
{{- with merge dict (index . 3) $root.Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The watched namespaces, separated by commas; empty for the whole cluster. */}}
{{- define "operator.namespaces" -}}
{{- if .Values.clusterWide }}
{{- if .Values.watchNamespaces }}
{{- fail "clusterWide and watchNamespaces exclude each other; set only one of them" }}
{{- end }}
{{- else }}
{{- default (list .Release.Namespace) .Values.watchNamespaces | uniq | sortAlpha | join "," }}
{{- end }}
{{- end }}

{{- define "operator.scopeArgs" -}}
{{- with include "operator.namespaces" . -}}
{{- range splitList "," . }}
- --namespace={{ . }}
{{- end }}
{{- else }}
- --all-namespaces
{{- end }}
{{- with .Values.selector }}
- {{ printf "--selector=%s" . | quote }}
{{- end }}
{{- end }}

{{- define "operator.podSecurityContext" -}}
runAsNonRoot: true
{{- if not (kindIs "invalid" .Values.runAsUser) }}
runAsUser: {{ .Values.runAsUser | int64 }}
{{- end }}
{{- if not (kindIs "invalid" .Values.runAsGroup) }}
runAsGroup: {{ .Values.runAsGroup | int64 }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "operator.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where and how a pod runs: image pull secrets, scheduling and names. */}}
{{- define "operator.placement" -}}
{{- $global := default dict .Values.global }}
{{- with concat (default list $global.imagePullSecrets) (default list .Values.imagePullSecrets) }}
imagePullSecrets:
  {{- range . }}
  - name: {{ (ternary (dict "name" .) . (kindIs "string" .)).name | quote }}
  {{- end }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* The operator's rights in each watched namespace. */}}
{{- define "operator.rules" -}}
- apiGroups: [docspace.onlyoffice.com]
  resources: [docspacebackupschedules]
  verbs: [get, list, watch, patch]
- apiGroups: [docspace.onlyoffice.com]
  resources: [docspacebackupschedules/status]
  verbs: [patch]
# The operator watches the metadata of Secrets and reads in full only those that an object refers to. RBAC cannot
# separate the two.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{/* Binds a role to a service account: (list $ role serviceAccount kind) */}}
{{- define "operator.binding" -}}
{{- $root := index . 0 -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ index . 3 }}
  name: {{ index . 1 }}
subjects:
  - kind: ServiceAccount
    name: {{ index . 2 }}
    namespace: {{ $root.Release.Namespace }}
{{- end }}

{{- define "operator.leaseName" -}}
{{- default (include "operator.fullname" .) .Values.leaderElection.leaseName }}
{{- end }}
