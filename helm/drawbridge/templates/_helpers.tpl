{{/* The names of everything carry the release, so that two installations live side by side. */}}
{{- define "drawbridge.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "drawbridge.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "drawbridge.labels" -}}
{{ include "drawbridge.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* INSTANCE: the value of the label drawbridge.internal/instance on all that the bot makes. */}}
{{- define "drawbridge.instance" -}}
{{- .Values.instance | default (include "drawbridge.fullname" .) -}}
{{- end -}}

{{/* The bot as the API server knows it. */}}
{{- define "drawbridge.botUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "drawbridge.fullname" . }}
{{- end -}}

{{/* The reaper, which may list and delete, and nothing else. */}}
{{- define "drawbridge.reaper" -}}
{{ include "drawbridge.fullname" . }}-reaper
{{- end -}}

{{- define "drawbridge.reaperUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "drawbridge.reaper" . }}
{{- end -}}

{{/* Whose hands Drawbridge's are, as a list of CEL. */}}
{{- define "drawbridge.cel.hands" -}}
{{ list (include "drawbridge.botUser" .) (include "drawbridge.reaperUser" .) | toJson }}
{{- end -}}

{{/* Drawbridge's own image: bot, reaper, canary, and the probe of workspaces. */}}
{{- define "drawbridge.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end -}}

{{- define "drawbridge.secretName" -}}
{{- .Values.existingSecret | default (include "drawbridge.fullname" .) -}}
{{- end -}}

{{/* Gives the bot a role, in one namespace or (namespace "") everywhere: (list ROOT "namespace" "kind of role" "role"). */}}
{{- define "drawbridge.bindBot" -}}
{{- $root := index . 0 -}}
{{- $namespace := index . 1 -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "ClusterRoleBinding" "RoleBinding" (empty $namespace) }}
metadata:
  name: {{ index . 3 }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "drawbridge.labels" $root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ index . 2 }}
  name: {{ index . 3 }}
subjects:
  - kind: ServiceAccount
    name: {{ include "drawbridge.fullname" $root }}
    namespace: {{ $root.Release.Namespace }}
{{- end -}}

{{/* The mode of a profile's network. The defaults are those of the policy's own schema. */}}
{{- define "drawbridge.mode" -}}
{{- if .network }}{{ .network.mode | default "workspace" }}{{ else }}none{{ end -}}
{{- end -}}

{{/* Namespaces can be granted one by one only where none is a pattern. */}}
{{- define "drawbridge.hasPattern" -}}
{{- if contains "*" (join "" .namespaces) }}yes{{ end -}}
{{- end -}}

{{/*
What the chart refuses though its schema takes it. The bot would refuse these rules too (src/domain/rights.ts), but only after the
chart had given it the rights: by them a stolen token could read credentials, or leave something behind that goes on acting.
*/}}
{{- define "drawbridge.check" -}}
{{- $root := . -}}
{{- if eq .Values.workspaces.namespace .Release.Namespace -}}
{{- fail (printf "workspaces.namespace: '%s' is the namespace of the release; workspaces need one of their own" .Release.Namespace) -}}
{{- end -}}
{{- if and (not .Values.existingSecret) (not .Values.secret) -}}
{{- fail "existingSecret: name the Secret with SLACK_BOT_TOKEN, REDIS_URL and SEAL_KEY, or give these in 'secret'" -}}
{{- end -}}
{{- if and .Values.existingSecret .Values.secret -}}
{{- fail "existingSecret and secret: give one of them, not both" -}}
{{- end -}}
{{- range $name, $profile := .Values.policy.profiles -}}
{{- range $profile.namespaces -}}
{{- if or (hasPrefix "kube-" .) (eq . $root.Release.Namespace) (eq . $root.Values.workspaces.namespace) -}}
{{- fail (printf "policy.profiles.%s.namespaces: '%s' belongs to Kubernetes or to Drawbridge and is closed to every profile" $name .) -}}
{{- end -}}
{{- end -}}
{{- range $index, $rule := $profile.rules -}}
{{- $verbs := $rule.verbs -}}
{{- $reads := or (has "get" $verbs) (has "list" $verbs) (has "watch" $verbs) -}}
{{- $writes := or (has "create" $verbs) (has "update" $verbs) (has "patch" $verbs) -}}
{{- $podMakers := list "pods" "deployments" "statefulsets" "daemonsets" "replicasets" "replicationcontrollers" "jobs" "cronjobs" "podtemplates" -}}
{{- $why := "" -}}
{{- if has "impersonate" $verbs }}{{ $why = "impersonates others" }}{{ end -}}
{{- if and (has "rbac.authorization.k8s.io" $rule.apiGroups) (or $writes (has "bind" $verbs) (has "escalate" $verbs)) }}{{ $why = "writes RBAC" }}{{ end -}}
{{- range $rule.resources -}}
{{- if and $reads (eq . "secrets") }}{{ $why = "reads secrets" }}{{ end -}}
{{- if and $writes (eq . "serviceaccounts/token") }}{{ $why = "mints service account tokens" }}{{ end -}}
{{- if and $writes (eq . "pods/ephemeralcontainers") }}{{ $why = "adds containers to running pods" }}{{ end -}}
{{- if and $writes (has . $podMakers) }}{{ $why = printf "creates or changes workloads (%s)" . }}{{ end -}}
{{- if and (hasPrefix "certificatesigningrequests" .) (or $writes (has "approve" $verbs) (has "sign" $verbs)) }}{{ $why = "makes certificates" }}{{ end -}}
{{- if and (eq . "networkpolicies") (or $writes (has "delete" $verbs) (has "deletecollection" $verbs)) }}{{ $why = "changes network policies" }}{{ end -}}
{{- if and $writes (has . (list "pods/status" "pods/binding")) }}{{ $why = printf "changes the labels of pods (%s)" . }}{{ end -}}
{{- if hasPrefix "nodes/proxy" . }}{{ $why = "reaches the kubelet past admission" }}{{ end -}}
{{- end -}}
{{- if $why -}}
{{- fail (printf "policy.profiles.%s.rules[%d]: %s: may only be given by a named role, never by inline rules" $name $index $why) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Pieces of CEL. Names and lists from the values become literals as JSON, which CEL reads as it is. */}}

{{/* A regular expression for a list of namespace patterns: [staging, team-*] -> ^(staging|team-.*)$ */}}
{{- define "drawbridge.namespaces" -}}
{{- printf "^(%s)$" (join "|" . | replace "*" ".*") -}}
{{- end -}}

{{/* True of a namespace that the policy covers: (list ROOT "expression of the namespace's name"). */}}
{{- define "drawbridge.cel.covered" -}}
{{- $root := index . 0 -}}
{{- $namespace := index . 1 -}}
{{- $all := list -}}
{{- range $root.Values.policy.profiles }}{{ $all = concat $all .namespaces }}{{ end -}}
({{ $namespace }}.matches({{ include "drawbridge.namespaces" (uniq $all) | toJson }})
  && !{{ $namespace }}.startsWith('kube-')
  && !({{ $namespace }} in {{ list $root.Release.Namespace $root.Values.workspaces.namespace | toJson }}))
{{- end -}}

{{/* The roles that profiles name, as a list: [{"kind": "ClusterRole", "name": "view", "namespaces": "^(staging)$"}, ...]. */}}
{{- define "drawbridge.cel.namedRoles" -}}
{{- $roles := list -}}
{{- range .Values.policy.profiles -}}
{{- $namespaces := include "drawbridge.namespaces" .namespaces -}}
{{- if .clusterRole }}{{ $roles = append $roles (dict "kind" "ClusterRole" "name" .clusterRole "namespaces" $namespaces | toJson) }}{{ end -}}
{{- if .role }}{{ $roles = append $roles (dict "kind" "Role" "name" .role "namespaces" $namespaces | toJson) }}{{ end -}}
{{- end -}}
{{- uniq $roles | join ",\n" -}}
{{- end -}}

{{/* The inline rules of profiles, as a list. CEL wants the values of a map to be of one type: all are lists. */}}
{{- define "drawbridge.cel.inlineRules" -}}
{{- $rules := list -}}
{{- range $profile := .Values.policy.profiles -}}
{{- $namespaces := include "drawbridge.namespaces" .namespaces -}}
{{- range .rules -}}
{{- $rules = append $rules (dict "groups" .apiGroups "resources" .resources "verbs" .verbs "namespaces" (list $namespaces) "scope" (list $profile.scope) | toJson) -}}
{{- end -}}
{{- end -}}
{{- uniq $rules | join ",\n" -}}
{{- end -}}

{{/* True when the rule r names what it is for. No names means all, and the empty name is that of a list. */}}
{{- define "drawbridge.cel.isNamed" -}}
r.?resourceNames.orValue([]).size() > 0 && r.?resourceNames.orValue([]).all(n, n != '')
{{- end -}}

{{/* True when a label selector (as an optional) asks for a label that a pod must carry: "key DoesNotExist" alone selects everything. */}}
{{- define "drawbridge.cel.selectsSome" -}}
({{ . }}.?matchLabels.orValue({}).size() > 0 || {{ . }}.?matchExpressions.orValue([]).exists(e, e.operator in ['In', 'Exists']))
{{- end -}}

{{/*
Modes contain and bastion name peers in the policy. These are CEL expressions over all profiles of the mode: true when the egress rules
(the sources) of the object are among those that one profile names for this namespace.
*/}}
{{- define "drawbridge.cel.egressOfProfiles" -}}
{{- $any := list -}}
{{- range .Values.policy.profiles -}}
{{- if eq (include "drawbridge.mode" .) "contain" -}}
{{- $rules := list -}}
{{- range .network.to -}}
{{- $ports := list -}}
{{- range .ports }}{{ $ports = append $ports (printf "(port.port == %d && port.protocol == %s)" (int .port) (.protocol | default "TCP" | toJson)) }}{{ end -}}
{{- $rules = append $rules (printf "e.?to.orValue([]).size() == 1 && e.to.all(p, %s) && e.?ports.orValue([]).all(port, %s)" (include "drawbridge.cel.peer" .) (join " || " $ports)) -}}
{{- end -}}
{{- if eq (.network.dns | default "none") "cluster" }}{{ $rules = append $rules (include "drawbridge.cel.dns" .) }}{{ end -}}
{{- $any = append $any (printf "(request.namespace.matches(%s) && variables.egress.all(e, %s))" (include "drawbridge.namespaces" .namespaces | toJson) (ternary (printf "(%s)" (join ")\n || (" $rules)) "false" (gt (len $rules) 0))) -}}
{{- end -}}
{{- end -}}
{{- $any | uniq | join "\n|| " | default "false" -}}
{{- end -}}

{{- define "drawbridge.cel.sourcesOfProfiles" -}}
{{- $any := list -}}
{{- range .Values.policy.profiles -}}
{{- if eq (include "drawbridge.mode" .) "bastion" -}}
{{- $peers := list -}}
{{- range .network.from }}{{ $peers = append $peers (include "drawbridge.cel.peer" .) }}{{ end -}}
{{- $any = append $any (printf "(request.namespace.matches(%s) && variables.ingress.all(i, i.?from.orValue([]).all(p, (%s))))" (include "drawbridge.namespaces" .namespaces | toJson) (join ")\n || (" $peers)) -}}
{{- end -}}
{{- end -}}
{{- $any | uniq | join "\n|| " | default "false" -}}
{{- end -}}

{{/* True when the peer p is exactly this one of a profile. */}}
{{- define "drawbridge.cel.peer" -}}
{{- if .cidr -}}
p.?ipBlock.?cidr.orValue('') == {{ .cidr | toJson }}
{{- else -}}
!has(p.ipBlock) && p.?namespaceSelector.?matchLabels.orValue({}) == {'kubernetes.io/metadata.name': {{ .namespace | toJson }}}
 && p.?podSelector.?matchLabels.orValue({}) == {{ .pods | toJson }}
 && p.?podSelector.?matchExpressions.orValue([]).size() == 0
{{- end -}}
{{- end -}}

{{/* True when the egress rule e is the one to the cluster's DNS. */}}
{{- define "drawbridge.cel.dns" -}}
e.?to.orValue([]).size() == 1 && e.to.all(p, p.?namespaceSelector.?matchLabels.orValue({}) == {'kubernetes.io/metadata.name': 'kube-system'}
 && p.?podSelector.?matchLabels.orValue({}) == {'k8s-app': 'kube-dns'}) && e.?ports.orValue([]).all(port, port.?port.orValue(0) == 53)
{{- end -}}

{{/* The images of workspaces in the policy, as a JSON list. */}}
{{- define "drawbridge.images" -}}
{{- $images := list -}}
{{- range .Values.policy.profiles }}{{ if eq (include "drawbridge.mode" .) "workspace" }}{{ $images = append $images .network.image }}{{ end }}{{ end -}}
{{- uniq $images | toJson -}}
{{- end -}}

{{/*
True of an init container c that is the probe of a workspace, as src/adapters/kubernetes/manifests.ts writes it. What it may have is said, and
of the rest nothing: restartPolicy would keep it running beside the workspace.
*/}}
{{- define "drawbridge.cel.isProbe" -}}
c.name == 'probe' && c.?image.orValue('') == {{ include "drawbridge.image" . | toJson }}
&& c.?command.orValue([]) == ['node', 'src/probe/main.ts', 'check']
&& c.?args.orValue([]).size() <= 10
&& c.?args.orValue([]).all(a, a.matches('^--(target|canary)=tcp:([0-9.]+|\\[[0-9a-f:.]+\\]):[0-9]{1,5}$'))
&& c.?workingDir.orValue('/app') == '/app'
&& c.?terminationMessagePath.orValue('/dev/termination-log') == '/dev/termination-log'
&& c.?terminationMessagePolicy.orValue('File') == 'File'
&& c.?securityContext.?readOnlyRootFilesystem.orValue(false)
{{- range list "env" "envFrom" "volumeMounts" "volumeDevices" "lifecycle" "livenessProbe" "readinessProbe" "startupProbe" "ports" "restartPolicy" "restartPolicyRules" "stdin" "stdinOnce" "tty" }}
&& !has(c.{{ . }})
{{- end }}
{{- end -}}

{{/* The head of a policy of the leash: it concerns bot and reaper alone, and refuses what it can't evaluate. */}}
{{- define "drawbridge.leash.match" -}}
failurePolicy: Fail
matchConditions:
  - name: is-ours
    expression: request.userInfo.username in {{ include "drawbridge.cel.hands" . }}
{{- end -}}

{{/* True when the object ends with its lease: it has no other owner, since a second one would keep it. */}}
{{- define "drawbridge.cel.ownedByLease" -}}
object.metadata.?ownerReferences.orValue([]).size() == 1
&& object.metadata.ownerReferences.all(o, o.apiVersion == 'batch/v1' && o.kind == 'Job' && o.name == 'drawbridge-' + variables.grant)
{{- end -}}

{{/* The binding that puts a ValidatingAdmissionPolicy into force: (list ROOT "name of the policy"). */}}
{{- define "drawbridge.enforce" -}}
{{- $root := index . 0 -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ index . 1 }}
  labels:
    {{- include "drawbridge.labels" $root | nindent 4 }}
spec:
  policyName: {{ index . 1 }}
  validationActions: [Deny]
{{- end -}}
