{{/*
The names of everything carry the release, so that two installations live side by side. The names that Kubernetes makes of pods begin with it
up to this length; admission knows the bot's pods by it.
*/}}
{{- define "drawbridge.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{ include "drawbridge.cut" (list $name 57) }}
{{- end -}}

{{/* A name of at most so many characters. One that had to be cut carries a digest, so that two names stay two: (list "name" MOST). */}}
{{- define "drawbridge.cut" -}}
{{- $name := index . 0 -}}
{{- $most := index . 1 | int -}}
{{- if gt (len $name) $most -}}
{{- $name = printf "%s-%s" ($name | trunc (int (sub $most 9)) | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{ $name }}
{{- end -}}

{{/* The name of a part: (list ROOT "suffix" MOST). */}}
{{- define "drawbridge.named" -}}
{{- $suffix := index . 1 -}}
{{ include "drawbridge.cut" (list (include "drawbridge.fullname" (index . 0)) (int (sub (index . 2) (add (len $suffix) 1)))) }}-{{ $suffix }}
{{- end -}}

{{/* The account of the bot: by its name RBAC and the leash know it. */}}
{{- define "drawbridge.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (include "drawbridge.fullname" .) }}
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
{{ .Values.hub.user | default (printf "system:serviceaccount:%s:%s" .Release.Namespace (include "drawbridge.serviceAccountName" .)) }}
{{- end -}}

{{/* The bot as the subject of a binding, one of a list. */}}
{{- define "drawbridge.botSubject" -}}
{{- if .Values.hub.user -}}
- apiGroup: rbac.authorization.k8s.io
  kind: User
  name: {{ .Values.hub.user | quote }}
{{- else -}}
- kind: ServiceAccount
  name: {{ include "drawbridge.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
{{- end -}}

{{/* What this cluster is called in the policy: that of a satellite, or the one without a context; empty: the policy names none. */}}
{{- define "drawbridge.cluster" -}}
{{- $clusters := (include "drawbridge.policy" . | fromJson).clusters | default dict -}}
{{- if eq .Values.mode "satellite" -}}
{{- if not (hasKey $clusters .Values.hub.cluster) }}{{ fail (printf "hub.cluster: '%s' is no cluster of the policy (clusters: %s)" .Values.hub.cluster (keys $clusters | sortAlpha | join ", ")) }}{{ end -}}
{{ .Values.hub.cluster }}
{{- else -}}
{{- range $name, $cluster := $clusters }}{{ if not ($cluster | default dict).context }}{{ $name }}{{ end }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Whether a profile is for this cluster: (list ROOT PROFILE). */}}
{{- define "drawbridge.isHere" -}}
{{- $root := index . 0 -}}
{{- if (include "drawbridge.policy" $root | fromJson).clusters -}}
{{- $cluster := include "drawbridge.cluster" $root -}}
{{- range (index . 1).clusters | default (list "*") }}{{ if and $cluster (regexMatch (printf "^%s$" (replace "*" ".*" .)) $cluster) }}yes{{ end }}{{ end -}}
{{- else -}}
yes
{{- end -}}
{{- end -}}

{{/* The reaper, which may list and delete, and nothing else. The name of a CronJob has 52 characters at most. */}}
{{- define "drawbridge.reaper" -}}
{{ include "drawbridge.named" (list . "reaper" 52) }}
{{- end -}}

{{- define "drawbridge.reaperUser" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "drawbridge.reaper" . }}
{{- end -}}

{{/* Whose hands Drawbridge's are, as a list of CEL. */}}
{{- define "drawbridge.cel.hands" -}}
{{ list (include "drawbridge.botUser" .) (include "drawbridge.reaperUser" .) | toJson }}
{{- end -}}

{{/*
True of whoever acts by a token that was made for this account (TokenRequest) or by a certificate: only these are authenticated with an id of
the credential. Whoever impersonates the account has none, and the role edit may do that; nor has a token in a Secret, which never ends.
*/}}
{{- define "drawbridge.cel.hasCredential" -}}
'authentication.kubernetes.io/credential-id' in request.userInfo.?extra.orValue({})
{{- end -}}

{{/* True of bot and reaper themselves. */}}
{{- define "drawbridge.cel.isHand" -}}
{{- /* What a vendor's webhook authenticates has no id of its credential; and nobody but who may impersonate that user can be taken for it. */ -}}
(request.userInfo.username in {{ include "drawbridge.cel.hands" . }} && ({{ with .Values.hub.user }}request.userInfo.username == {{ toJson . }} || {{ end }}{{ include "drawbridge.cel.hasCredential" . }}))
{{- end -}}

{{/* Drawbridge's own image: bot, reaper, canary, and the probe of workspaces. */}}
{{- define "drawbridge.image" -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{/* Not the labels of the bot: its Service and its budget go by these. */}}
{{- define "drawbridge.valkey" -}}
{{ include "drawbridge.named" (list . "valkey" 52) }}
{{- end -}}

{{- define "drawbridge.valkey.selectorLabels" -}}
app.kubernetes.io/name: {{ include "drawbridge.valkey" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "drawbridge.valkey.image" -}}
{{ printf "%s:%s" .Values.valkey.image.repository .Values.valkey.image.tag }}{{ with .Values.valkey.image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{- define "drawbridge.secretName" -}}
{{- .Values.existingSecret | default (include "drawbridge.fullname" .) -}}
{{- end -}}

{{/*
What keeps the bot from starting with the keys and values of a Secret: (list ROOT DATA). What extraEnvFrom adds the chart does not know; the reaper
has SEAL_KEY from this Secret alone.
*/}}
{{- define "drawbridge.wrongSecret" -}}
{{- $values := (index . 0).Values -}}
{{- $needed := list "SLACK_BOT_TOKEN" "SEAL_KEY" (ternary "SLACK_SIGNING_SECRET" "SLACK_APP_TOKEN" (eq $values.slack.mode "http")) "REDIS_URL" -}}
{{- if $values.extraEnvFrom }}{{ $needed = list "SEAL_KEY" }}{{ end -}}
{{- $given := ternary (list "REDIS_URL") list $values.valkey.enabled -}}
{{- range $values.extraEnv }}{{ $given = append $given .name }}{{ end -}}
{{- range $key, $value := index . 1 }}{{ if $value }}{{ $given = append $given $key }}{{ end }}{{ end -}}
{{- $lacking := list -}}
{{- range $needed }}{{ if not (has . $given) }}{{ $lacking = append $lacking . }}{{ end }}{{ end -}}
{{- if $lacking -}}
lacks {{ join ", " $lacking }}{{ if has "SEAL_KEY" $lacking }} (make it with: openssl rand -base64 32){{ end }}; add it and try again
{{- else if and (has "SLACK_APP_TOKEN" $given) (has "SLACK_SIGNING_SECRET" $given) -}}
has SLACK_APP_TOKEN and SLACK_SIGNING_SECRET: give the one of slack.mode, not both
{{- else if and (has "AUDIT_WEBHOOK_SECRET" $given) (not (has "AUDIT_WEBHOOK_URL" $given)) (not $values.extraEnvFrom) -}}
has AUDIT_WEBHOOK_SECRET without AUDIT_WEBHOOK_URL, to which what it signs is posted
{{- else if not $values.extraEnvFrom -}}
{{- $jira := list -}}
{{- range list "JIRA_URL" "JIRA_USER" "JIRA_TOKEN" }}{{ if has . $given }}{{ $jira = append $jira . }}{{ end }}{{ end -}}
{{- if and $jira (lt (len $jira) 3) -}}
has {{ join ", " $jira }} alone: JIRA_URL, JIRA_USER and JIRA_TOKEN belong together
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The ports of the addresses that the policy asks who is on call, or about tickets, as JSON. What has none in its address is at 443. */}}
{{- define "drawbridge.sourcePorts" -}}
{{- $policy := include "drawbridge.policy" . | fromJson -}}
{{- $urls := list -}}
{{- range $policy.oncall }}{{ with .url }}{{ $urls = append $urls . }}{{ end }}{{ end -}}
{{- with $policy.tickets }}{{ with .url }}{{ $urls = append $urls . }}{{ end }}{{ end -}}
{{- $ports := list -}}
{{- range $urls }}{{ with regexFind ":[0-9]+$" (urlParse .).host }}{{ $ports = append $ports (trimPrefix ":" . | int) }}{{ end }}{{ end -}}
{{ toJson $ports }}
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
  {{- include "drawbridge.botSubject" $root | nindent 2 }}
{{- end -}}

{{/* Where the pods of this chart may run. */}}
{{- define "drawbridge.scheduling" -}}
{{- $set := dict -}}
{{- range $key := list "nodeSelector" "tolerations" "priorityClassName" }}{{ with index $.Values $key }}{{ $_ := set $set $key . }}{{ end }}{{ end -}}
{{- if $set }}{{ toYaml $set }}{{ end -}}
{{- end -}}

{{/* How their images are pulled: the values that have imagePullSecrets. */}}
{{- define "drawbridge.pulling" -}}
{{- with .imagePullSecrets }}{{ dict "imagePullSecrets" . | toYaml }}{{ end -}}
{{- end -}}

{{/*
The profiles of the policy that are for namespaces or workloads, as JSON; those with rights in words have the rules that these stand for. Made
once a render, like the policy.
*/}}
{{- define "drawbridge.profiles" -}}
{{- if not (hasKey .Values "readProfiles") }}{{ $_ := set .Values "readProfiles" (include "drawbridge.readProfiles" (list . "namespace" "workload")) }}{{ end -}}
{{ .Values.readProfiles }}
{{- end -}}

{{/* Those for the whole cluster or for a node, which are given only with accounts.enabled. */}}
{{- define "drawbridge.wideProfiles" -}}
{{- if not (hasKey .Values "readWideProfiles") }}{{ $_ := set .Values "readWideProfiles" (ternary (include "drawbridge.readProfiles" (list . "cluster" "node")) "{}" .Values.accounts.enabled) }}{{ end -}}
{{ .Values.readWideProfiles }}
{{- end -}}

{{/* The profiles of these scopes, those by token only with accounts.enabled (or "all"): (list ROOT "scope" ...). */}}
{{- define "drawbridge.readProfiles" -}}
{{- $root := index . 0 -}}
{{- $scopes := rest . -}}
{{- $kits := ($root.Files.Get "rights.json" | fromJson).kits -}}
{{- $profiles := dict -}}
{{- range $name, $profile := (include "drawbridge.policy" $root | fromJson).profiles -}}
{{- $isToken := eq ($profile.credential | default "user") "token" -}}
{{- if and (has $profile.scope $scopes) (or (not $isToken) $root.Values.accounts.enabled (has "all" $scopes)) (include "drawbridge.isHere" (list $root $profile)) -}}
{{- $rules := $profile.rules | default list -}}
{{- range $profile.rights }}{{ $rules = concat $rules (get $kits .) | uniq }}{{ end -}}
{{- $_ := set $profiles $name (set $profile "rules" $rules) -}}
{{- end -}}
{{- end -}}
{{ toJson $profiles }}
{{- end -}}

{{/*
The policy, as JSON. It is read once a render and then kept among the values, which all templates share: to hold a long file against its schema takes
seconds.
*/}}
{{- define "drawbridge.policy" -}}
{{- if not (hasKey .Values "readPolicy") }}{{ $_ := set .Values "readPolicy" (include "drawbridge.readPolicy" .) }}{{ end -}}
{{ .Values.readPolicy }}
{{- end -}}

{{/*
Helm holds `policy` against the chart's schema by itself; the text of a file it does not know for a policy, so that is held
against the same schema here, before anything is made of it.
*/}}
{{- define "drawbridge.readPolicy" -}}
{{- if and .Values.policy .Values.policyFile }}{{ fail "policy and policyFile: give one of them, not both" }}{{ end -}}
{{- if not (or .Values.policy .Values.policyFile) }}{{ fail "policyFile: give the policy, by --set-file policyFile=policy.yaml or as the value 'policy'" }}{{ end -}}
{{- if .Values.policy -}}
{{ toJson .Values.policy }}
{{- else -}}
{{- $policy := fromYaml .Values.policyFile -}}
{{- with $policy.Error }}{{ fail (printf "policyFile: is not YAML: %s" .) }}{{ end -}}
{{- with include "drawbridge.problems" (list (.Files.Get "policy.schema.json" | fromJson) $policy "") | trim -}}
{{ fail (printf "policyFile: is no policy (npm run policy -- check says it with lines):\n%s" .) }}
{{- end -}}
{{ toJson $policy }}
{{- end -}}
{{- end -}}

{{/*
What a schema has against a value, one a line, in the words of Helm's own check: (list SCHEMA VALUE "path"). Of JSON Schema it knows the keywords
that the policy's has ("format" comes with a pattern there).
*/}}
{{- define "drawbridge.problems" -}}
{{- $schema := index . 0 -}}
{{- $value := index . 1 -}}
{{- $path := index . 2 -}}
{{- $at := printf "\n- at '%s': " $path -}}
{{- $type := get (dict "map" "object" "slice" "array" "string" "string" "bool" "boolean" "invalid" "null") (kindOf $value) | default "number" -}}
{{- $want := $schema.type | default $type -}}
{{- $isWhole := ternary (eq (floor $value) (float64 $value)) false (eq $type "number") -}}
{{- if not (or (eq $want $type) (and (eq $want "integer") $isWhole)) -}}
{{ $at }}got {{ $type }}, want {{ $want }}
{{- else -}}
{{- if and (hasKey $schema "const") (ne (toJson $schema.const) (toJson $value)) }}{{ $at }}value must be {{ toJson $schema.const }}{{ end -}}
{{- if and $schema.enum (not (has $value $schema.enum)) }}{{ $at }}value must be one of {{ join ", " $schema.enum }}{{ end -}}
{{- if eq $type "string" -}}
{{- if and $schema.pattern (not (regexMatch $schema.pattern $value)) }}{{ $at }}'{{ $value }}' does not match pattern '{{ $schema.pattern }}'{{ end -}}
{{- if lt (len $value) (int $schema.minLength) }}{{ $at }}is shorter than {{ $schema.minLength }}{{ end -}}
{{- if and $schema.maxLength (gt (len $value) (int $schema.maxLength)) }}{{ $at }}is longer than {{ $schema.maxLength }}{{ end -}}
{{- else if eq $type "number" -}}
{{- if or (lt (float64 $value) (float64 ($schema.minimum | default $value))) (gt (float64 $value) (float64 ($schema.maximum | default $value))) -}}
{{ $at }}must be from {{ $schema.minimum }} to {{ $schema.maximum }}
{{- end -}}
{{- else if eq $type "array" -}}
{{- if lt (len $value) (int $schema.minItems) }}{{ $at }}minItems: got {{ len $value }}, want {{ $schema.minItems }}{{ end -}}
{{- if and $schema.maxItems (gt (len $value) (int $schema.maxItems)) }}{{ $at }}maxItems: got {{ len $value }}, want {{ $schema.maxItems }}{{ end -}}
{{- if and $schema.uniqueItems (ne (len (uniq $value)) (len $value)) }}{{ $at }}items are not unique{{ end -}}
{{- if $schema.items }}{{ range $index, $item := $value }}{{ include "drawbridge.problems" (list $schema.items $item (printf "%s/%d" $path $index)) }}{{ end }}{{ end -}}
{{- else if eq $type "object" -}}
{{- $known := $schema.properties | default dict -}}
{{- range $schema.required }}{{ if not (hasKey $value .) }}{{ $at }}missing property '{{ . }}'{{ end }}{{ end -}}
{{- range $key, $item := $value -}}
{{- if $schema.propertyNames }}{{ include "drawbridge.problems" (list $schema.propertyNames $key $path) }}{{ end -}}
{{- if hasKey $known $key }}{{ include "drawbridge.problems" (list (get $known $key) $item (printf "%s/%s" $path $key)) -}}
{{- else if kindIs "map" $schema.additionalProperties }}{{ include "drawbridge.problems" (list $schema.additionalProperties $item (printf "%s/%s" $path $key)) -}}
{{- else if and (hasKey $schema "additionalProperties") (not $schema.additionalProperties) }}{{ $at }}additional property '{{ $key }}' not allowed{{ end -}}
{{- end -}}
{{- end -}}
{{- if $schema.anyOf -}}
{{- $fits := false -}}
{{- $why := "" -}}
{{- range $schema.anyOf }}{{ $problems := include "drawbridge.problems" (list . $value $path) }}{{ $fits = or $fits (not $problems) }}{{ $why = print $why $problems }}{{ end -}}
{{- if not $fits }}{{ $why }}{{ end -}}
{{- end -}}
{{- end -}}
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
What the chart refuses though its schema takes it. The bot would refuse these rules too, by the same table (src/domain/rights/table.ts, of
which rights.json is made), but only after the chart had given it the rights: by them a stolen token could read credentials, or leave
something behind that goes on acting.
*/}}
{{- define "drawbridge.check" -}}
{{- $root := . -}}
{{- if eq .Values.workspaces.namespace .Release.Namespace -}}
{{- fail (printf "workspaces.namespace: '%s' is the namespace of the release; workspaces need one of their own" .Release.Namespace) -}}
{{- end -}}
{{- if and .Values.hub.user (or (ne .Values.mode "satellite") (hasPrefix "system:" .Values.hub.user)) -}}
{{- fail "hub.user: is the Kubernetes user of the bot in a satellite, and none of Kubernetes itself (system:)" -}}
{{- end -}}
{{- if eq .Values.mode "satellite" -}}
{{- if or .Values.secret .Values.valkey.enabled }}{{ fail "secret and valkey: belong where the bot is, not in a satellite" }}{{ end -}}
{{- if and .Values.reaper.enabled (not .Values.existingSecret) }}{{ fail "existingSecret: name the Secret with CLUSTER_SEAL_KEY (npm run keys -- --cluster NAME), by which the reaper knows what is sealed" }}{{ end -}}
{{- $_ := include "drawbridge.cluster" . -}}
{{- else if and (not .Values.existingSecret) (not .Values.secret) -}}
{{- fail "existingSecret: name the Secret with SLACK_BOT_TOKEN, REDIS_URL and SEAL_KEY, or give these in 'secret'" -}}
{{- end -}}
{{- if and .Values.existingSecret .Values.secret -}}
{{- fail "existingSecret and secret: give one of them, not both" -}}
{{- end -}}
{{- if and .Values.valkey.enabled .Values.secret.REDIS_URL -}}
{{- fail "valkey.enabled and secret.REDIS_URL: give one of them, not both" -}}
{{- end -}}
{{- with .Values.secret -}}
{{- with include "drawbridge.wrongSecret" (list $root .) }}{{ fail (printf "secret: %s" .) }}{{ end -}}
{{- end -}}
{{- if and .Values.existingSecret (ne .Values.mode "satellite") -}}
{{- with lookup "v1" "Secret" .Release.Namespace .Values.existingSecret -}}
{{- with include "drawbridge.wrongSecret" (list $root (.data | default dict)) -}}
{{- fail (printf "existingSecret: the Secret %s/%s %s" $root.Release.Namespace $root.Values.existingSecret .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if has (include "drawbridge.serviceAccountName" .) (list "default" (include "drawbridge.reaper" .)) -}}
{{- fail (printf "serviceAccount.name: '%s' is the account of others too; the bot needs one of its own" (include "drawbridge.serviceAccountName" .)) -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if has .name (list "INSTANCE" "WORKSPACES_NAMESPACE" "ACCOUNTS_NAMESPACE" "NODES_NAMESPACE" "ACCOUNTS_SERVER" "WORKSPACES_PULL_SECRETS" "WORKSPACES_MAXIMUM_CPU" "WORKSPACES_MAXIMUM_MEMORY" "PROBE_IMAGE" "POD_NAMESPACE" "SECRET_NAME" "SLACK_MODE" "POLICY_FILE" "OPS_PORT" "LOG_LEVEL" "PORT") -}}
{{- fail (printf "extraEnv: %s is set by the chart, from its own values" .name) -}}
{{- end -}}
{{- if eq .name "SEAL_KEY" }}{{ fail "extraEnv: SEAL_KEY belongs into the Secret: by it the reaper knows what the bot has made" }}{{ end -}}
{{- if and $root.Values.valkey.enabled (eq .name "REDIS_URL") }}{{ fail "extraEnv: REDIS_URL is set by the chart, since valkey.enabled" }}{{ end -}}
{{- end -}}
{{- range $key, $_ := .Values.podLabels -}}
{{- if or (contains "drawbridge.internal/" $key) (hasPrefix "app.kubernetes.io/" $key) -}}
{{- fail (printf "podLabels: %s belongs to the chart or to grants, whose policies go by it" $key) -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraVolumes }}{{ if eq .name "policy" }}{{ fail "extraVolumes: the volume 'policy' is the chart's own" }}{{ end }}{{ end -}}
{{- range .Values.extraVolumeMounts -}}
{{- if regexMatch "^/+(app|etc/+drawbridge)(/|$)" (clean .mountPath) }}{{ fail (printf "extraVolumeMounts: %s would lie over the program or its policy" .mountPath) }}{{ end -}}
{{- end -}}
{{- if and (eq .Values.slack.mode "http") (eq (int .Values.slack.port) (int .Values.opsPort)) }}{{ fail "slack.port: is opsPort too, which nobody outside may reach" }}{{ end -}}
{{- if and (or .Values.slack.ingress.enabled .Values.slack.httpRoute.enabled) (ne .Values.slack.mode "http") -}}
{{- fail "slack.ingress and slack.httpRoute: Slack calls the bot only with slack.mode http" -}}
{{- end -}}
{{- if and .Values.slack.httpRoute.enabled (not .Values.slack.httpRoute.parentRefs) }}{{ fail "slack.httpRoute.parentRefs: name the Gateway" }}{{ end -}}
{{- $own := include "drawbridge.ownNamespaces" . | fromJsonArray -}}
{{- if ne (len (uniq $own)) (len $own) }}{{ fail (printf "workspaces.namespace, accounts.namespace, nodes.namespace and the namespace of the release must be different ones: %s" (join ", " $own)) }}{{ end -}}
{{- if and .Values.nodes.enabled (not .Values.accounts.enabled) }}{{ fail "nodes.enabled: needs accounts.enabled too: the records of node shells are among the accounts" }}{{ end -}}
{{- range $name, $profile := include "drawbridge.readProfiles" (list . "namespace" "workload" "cluster" "node" "all") | fromJson -}}
{{- if and (not $profile.namespaces) (or $profile.clusterRole $profile.rules) (not $root.Values.reaper.enabled) $root.Values.accounts.enabled (ne ($profile.credential | default "user") "token") -}}
{{- fail (printf "reaper.enabled: without the reaper nothing but the bot ends grants of %s, which no lease can own; enable it, or give the profile credential: token" $name) -}}
{{- end -}}
{{- with include "drawbridge.wrongScope" $profile }}{{ fail (printf "policy.profiles.%s.%s" $name .) }}{{ end -}}
{{- range $profile.namespaces -}}
{{- if or (hasPrefix "kube-" .) (has . $own) -}}
{{- fail (printf "policy.profiles.%s.namespaces: '%s' belongs to Kubernetes or to Drawbridge and is closed to every profile" $name .) -}}
{{- end -}}
{{- end -}}
{{- with ($profile.network | default dict).resources -}}
{{- $most := $root.Values.workspaces.maximum -}}
{{- if gt (include "drawbridge.milli" .cpu | int) (include "drawbridge.milli" $most.cpu | int) -}}
{{- fail (printf "policy.profiles.%s.network.resources.cpu: %v is more than workspaces.maximum.cpu (%v)" $name .cpu $most.cpu) -}}
{{- end -}}
{{- if gt (include "drawbridge.mebi" .memory | int) (include "drawbridge.mebi" $most.memory | int) -}}
{{- fail (printf "policy.profiles.%s.network.resources.memory: %v is more than workspaces.maximum.memory (%v)" $name .memory $most.memory) -}}
{{- end -}}
{{- end -}}
{{- $rights := $root.Files.Get "rights.json" | fromJson -}}
{{- if and (has ($profile.clusterRole | default "") $rights.wideRoles) (not $profile.acknowledgePersistence) -}}
{{- fail (printf "policy.profiles.%s.clusterRole: '%s' has rights by which access outlives the grant: say acknowledgePersistence: true if that is meant" $name $profile.clusterRole) -}}
{{- end -}}
{{- if and $profile.shell (not $profile.acknowledgePersistence) -}}
{{- fail (printf "policy.profiles.%s.shell: is root on the node, and what is left there outlives the grant: say acknowledgePersistence: true if that is meant" $name) -}}
{{- end -}}
{{- range $index, $rule := $profile.rules -}}
{{- $why := include "drawbridge.risks" (list $rights $rule) | fromJson -}}
{{- with index $why "never inline" -}}
{{- fail (printf "policy.profiles.%s.rules[%d]: %s: may only be given by a named role, never by inline rules" $name $index (join "; " .)) -}}
{{- end -}}
{{- with ternary nil $why.acknowledged ($profile.acknowledgePersistence | default false) -}}
{{- fail (printf "policy.profiles.%s.rules[%d]: %s: say acknowledgePersistence: true if that is meant" $name $index (join "; " .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What is wrong between the scope of a profile and its other keys; the schema knows no key that hangs on another. */}}
{{- define "drawbridge.wrongScope" -}}
{{- $namespaced := has .scope (list "namespace" "workload") -}}
{{- if and $namespaced (not .namespaces) -}}
namespaces: is missing: scope {{ .scope }} says where it may be asked for
{{- else if and (eq .scope "node") (not .nodes) -}}
nodes: is missing: scope node says for which nodes it may be asked
{{- else if and (not $namespaced) .namespaces -}}
namespaces: belongs to scopes namespace and workload, and this is scope {{ .scope }}
{{- else if and (ne .scope "node") .nodes -}}
nodes: belongs to scope node, and this is scope {{ .scope }}
{{- else if and (ne .scope "node") .shell -}}
shell: belongs to scope node, and this is scope {{ .scope }}
{{- else if and .shell (eq (.credential | default "user") "token") -}}
credential: token takes no shell
{{- else if and (not $namespaced) (or .role .rights) -}}
scope: {{ .scope }} takes neither a role nor rights in words
{{- else if and (eq .scope "node") .clusterRole -}}
clusterRole: can not be narrowed to one node: scope node takes inline rules
{{- else if and (eq (.credential | default "user") "token") (eq (include "drawbridge.mode" .) "workspace") -}}
credential: token takes no network mode workspace
{{- else if eq .scope "node" -}}
{{- range $index, $rule := .rules -}}
{{- range .resources -}}
{{- if or (ne (regexFind "^[^/]+" .) "nodes") (eq . "nodes/proxy") }}rules[{{ $index }}]: '{{ . }}' can not be given for one node{{ end -}}
{{- end -}}
{{- range .apiGroups }}{{ if not (has . (list "" "metrics.k8s.io")) }}rules[{{ $index }}]: the group '{{ . }}' has no nodes{{ end }}{{ end -}}
{{- range .verbs }}{{ if has . (list "create" "deletecollection") }}rules[{{ $index }}]: {{ . }} can not be narrowed to one node{{ end }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether a profile is given by token. */}}
{{- define "drawbridge.givesTokens" -}}
{{- range include "drawbridge.profiles" . | fromJson }}{{ if eq (.credential | default "user") "token" }}yes{{ end }}{{ end -}}
{{- range include "drawbridge.wideProfiles" . | fromJson }}{{ if eq (.credential | default "user") "token" }}yes{{ end }}{{ end -}}
{{- end -}}

{{/* The namespaces of Drawbridge's own, as JSON: no profile covers them. */}}
{{- define "drawbridge.ownNamespaces" -}}
{{ list .Release.Namespace .Values.workspaces.namespace .Values.accounts.namespace .Values.nodes.namespace | toJson }}
{{- end -}}

{{/* The namespaces in which people have pods of their own, workspaces and node shells, as JSON. */}}
{{- define "drawbridge.podNamespaces" -}}
{{ ternary (list .Values.workspaces.namespace .Values.nodes.namespace) (list .Values.workspaces.namespace) .Values.nodes.enabled | toJson }}
{{- end -}}

{{/* The namespaces in which nobody but Drawbridge makes anything, as JSON. */}}
{{- define "drawbridge.closedNamespaces" -}}
{{ ternary (list .Values.accounts.namespace .Values.nodes.namespace) (list .Values.accounts.namespace) .Values.nodes.enabled | toJson }}
{{- end -}}

{{/* What an inline rule amounts to, by class, as JSON: (list RIGHTS RULE). The schema has refused wildcards already. */}}
{{- define "drawbridge.risks" -}}
{{- $rights := index . 0 -}}
{{- $rule := index . 1 -}}
{{- $why := dict "never inline" list "acknowledged" list "said" list -}}
{{- range $right := $rights.dangerous -}}
{{- if and (include "drawbridge.meet" (list .groups $rule.apiGroups)) (include "drawbridge.meet" (list .resources $rule.resources)) (include "drawbridge.meet" (list .verbs $rule.verbs)) -}}
{{- $_ := set $why .class (append (index $why .class) .does) -}}
{{- end -}}
{{- end -}}
{{- $foreign := list -}}
{{- $otherVerbs := list -}}
{{- range $resource := $rule.resources -}}
{{- $strangers := list -}}
{{- $elsewhere := false -}}
{{- range $group := $rule.apiGroups -}}
{{- if and (hasKey $rights.known $group) (has $resource (get $rights.known $group)) }}{{ $elsewhere = true }}{{ else }}{{ $strangers = append $strangers $group }}{{ end -}}
{{- end -}}
{{- if $elsewhere -}}
{{- range $verb := $rule.verbs -}}
{{- if not (or (has $verb $rights.verbs) (include "drawbridge.classified" (list $rights $rule.apiGroups $resource $verb))) }}{{ $otherVerbs = append $otherVerbs (printf "%s on %s" $verb $resource) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range $strangers -}}
{{- if not (and $elsewhere (hasKey $rights.known .)) }}{{ $foreign = append $foreign (printf "%s.%s" $resource .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $changes := list -}}
{{- range $rule.verbs }}{{ if not (has . $rights.reads) }}{{ $changes = append $changes . }}{{ end }}{{ end -}}
{{- if and $foreign $changes -}}
{{- $_ := set $why "acknowledged" (append $why.acknowledged (printf "changes what controllers of others may act on (%s)" (join ", " $foreign))) -}}
{{- end -}}
{{- with $otherVerbs -}}
{{- $_ := set $why "acknowledged" (append $why.acknowledged (printf "has verbs of others (%s)" (join ", " .))) -}}
{{- end -}}
{{- toJson $why -}}
{{- end -}}

{{/* Whether the table has the verb on the resource: (list RIGHTS GROUPS RESOURCE VERB). */}}
{{- define "drawbridge.classified" -}}
{{- $groups := index . 1 -}}
{{- $resource := index . 2 -}}
{{- $verb := index . 3 -}}
{{- range (index . 0).dangerous -}}
{{- if and (include "drawbridge.meet" (list .groups $groups)) (include "drawbridge.meet" (list .resources (list $resource))) (include "drawbridge.meet" (list .verbs (list $verb))) }}yes{{ end -}}
{{- end -}}
{{- end -}}

{{/* Whether one list has something of the other, or everything: (list LIST LIST). */}}
{{- define "drawbridge.meet" -}}
{{- $others := index . 1 -}}
{{- range $one := index . 0 -}}
{{- if or (eq $one "*") (has $one $others) }}yes{{ end -}}
{{- if hasSuffix "/*" $one }}{{ range $others }}{{ if hasPrefix (trimSuffix "*" $one) . }}yes{{ end }}{{ end }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Pieces of CEL. Names and lists from the values become literals as JSON, which CEL reads as it is. */}}

{{/* Any value as a literal of CEL, which wants the values of one map or list to be of one type: dyn is one. */}}
{{- define "drawbridge.cel.literal" -}}
{{- if kindIs "map" . -}}
{ {{- range $index, $key := keys . | sortAlpha }}{{ if $index }}, {{ end }}{{ $key | toJson }}: dyn({{ include "drawbridge.cel.literal" (get $ $key) }}){{ end -}} }
{{- else if kindIs "slice" . -}}
[ {{- range $index, $item := . }}{{ if $index }}, {{ end }}dyn({{ include "drawbridge.cel.literal" $item }}){{ end -}} ]
{{- else -}}
{{ toJson . }}
{{- end -}}
{{- end -}}

{{/* True when an object has no other fields than these: (list "expression" (list "field" ...)). */}}
{{- define "drawbridge.cel.onlyFields" -}}
dyn({{ index . 0 }}).all(k, k in {{ index . 1 | toJson }})
{{- end -}}

{{/* A regular expression for a list of namespace patterns: [staging, team-*] -> ^(staging|team-.*)$ */}}
{{- define "drawbridge.namespaces" -}}
{{- printf "^(%s)$" (join "|" . | replace "*" ".*") -}}
{{- end -}}

{{/* True of a namespace that the policy covers: (list ROOT "expression of the namespace's name"). */}}
{{- define "drawbridge.cel.covered" -}}
{{- $root := index . 0 -}}
{{- $namespace := index . 1 -}}
{{- $all := list -}}
{{- range include "drawbridge.profiles" $root | fromJson }}{{ $all = concat $all .namespaces }}{{ end -}}
({{ $namespace }} != '' && {{ $namespace }}.matches({{ include "drawbridge.namespaces" (uniq $all) | toJson }})
  && !{{ $namespace }}.startsWith('kube-')
  && !({{ $namespace }} in {{ include "drawbridge.ownNamespaces" $root }}))
{{- end -}}

{{/* The roles that profiles name, as a list: [{"kind": "ClusterRole", "name": "view", "namespaces": "^(staging)$"}, ...]. */}}
{{- define "drawbridge.cel.namedRoles" -}}
{{- $roles := list -}}
{{- range include "drawbridge.profiles" . | fromJson -}}
{{- $namespaces := include "drawbridge.namespaces" .namespaces -}}
{{- $credential := .credential | default "user" -}}
{{- if .clusterRole }}{{ $roles = append $roles (dict "kind" "ClusterRole" "name" .clusterRole "namespaces" $namespaces "credential" $credential | toJson) }}{{ end -}}
{{- if .role }}{{ $roles = append $roles (dict "kind" "Role" "name" .role "namespaces" $namespaces "credential" $credential | toJson) }}{{ end -}}
{{- end -}}
{{- uniq $roles | join ",\n" -}}
{{- end -}}

{{/* The inline rules of profiles, as a list. CEL wants the values of a map to be of one type: all are lists. */}}
{{- define "drawbridge.cel.inlineRules" -}}
{{- $rules := list -}}
{{- range $profile := include "drawbridge.profiles" . | fromJson -}}
{{- $namespaces := include "drawbridge.namespaces" .namespaces -}}
{{- range .rules -}}
{{- $rules = append $rules (dict "groups" .apiGroups "resources" .resources "verbs" .verbs "namespaces" (list $namespaces) "scope" (list $profile.scope) "credential" (list ($profile.credential | default "user")) | toJson) -}}
{{- end -}}
{{- end -}}
{{- uniq $rules | join ",\n" -}}
{{- end -}}

{{/* The ClusterRoles that profiles give in the whole cluster, as a list of "credential name". */}}
{{- define "drawbridge.cel.wideRoles" -}}
{{- $roles := list -}}
{{- range include "drawbridge.wideProfiles" . | fromJson }}{{ if .clusterRole }}{{ $roles = append $roles (printf "%s %s" (.credential | default "user") .clusterRole) }}{{ end }}{{ end -}}
{{ uniq $roles | toJson }}
{{- end -}}

{{/* The inline rules of profiles for the whole cluster (no nodes) or for one node (patterns of its name), as a list. */}}
{{- define "drawbridge.cel.wideRules" -}}
{{- $rules := list -}}
{{- range $profile := include "drawbridge.wideProfiles" . | fromJson -}}
{{- $nodes := list -}}
{{- with .nodes }}{{ $nodes = list (include "drawbridge.nodes" .) }}{{ end -}}
{{- range .rules -}}
{{- $rules = append $rules (dict "groups" .apiGroups "resources" .resources "verbs" .verbs "nodes" $nodes "credential" (list ($profile.credential | default "user")) | toJson) -}}
{{- end -}}
{{- end -}}
{{- uniq $rules | join ",\n" -}}
{{- end -}}

{{/* A regular expression for a list of patterns of nodes, whose names have dots. */}}
{{- define "drawbridge.nodes" -}}
{{- printf "^(%s)$" (join "|" . | replace "." "[.]" | replace "*" ".*") -}}
{{- end -}}

{{/* The rights that no Role of the bot's own may hold, as a list. */}}
{{- define "drawbridge.cel.neverInline" -}}
{{- $never := list -}}
{{- range (.Files.Get "rights.json" | fromJson).dangerous -}}
{{- if eq .class "never inline" }}{{ $never = append $never (dict "groups" .groups "resources" .resources "verbs" .verbs | toJson) }}{{ end -}}
{{- end -}}
{{- $never | join ",\n" -}}
{{- end -}}

{{/* True when the rule r names what it is for. No names means all, and the empty name is that of a list. */}}
{{- define "drawbridge.cel.isNamed" -}}
r.?resourceNames.orValue([]).size() > 0 && r.?resourceNames.orValue([]).all(n, n != '')
{{- end -}}

{{/* True when a label selector (as an optional) asks for a label that a pod must carry: "key DoesNotExist" alone selects everything. */}}
{{- define "drawbridge.cel.selectsSome" -}}
({{ . }}.?matchLabels.orValue({}).size() > 0 || {{ . }}.?matchExpressions.orValue([]).exists(e, e.operator in ['In', 'Exists']))
{{- end -}}

{{/* A port as the bot writes it. */}}
{{- define "drawbridge.port" -}}
{{ dict "port" (int .port) "protocol" (.protocol | default "TCP") | toJson }}
{{- end -}}

{{/* A peer that a profile names, as the bot writes it. */}}
{{- define "drawbridge.peer" -}}
{{- if .cidr -}}
{{ dict "ipBlock" (dict "cidr" .cidr) | toJson }}
{{- else -}}
{{ dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" .namespace)) "podSelector" (dict "matchLabels" .pods) | toJson }}
{{- end -}}
{{- end -}}

{{/* The egress rule to the DNS of the cluster, as the bot writes it. */}}
{{- define "drawbridge.dns" -}}
{{- $to := dict "namespace" "kube-system" "pods" (dict "k8s-app" "kube-dns") -}}
{{- $ports := list (dict "port" 53 "protocol" "UDP") (dict "port" 53 "protocol" "TCP") -}}
{{ dict "to" (list (include "drawbridge.peer" $to | fromJson)) "ports" $ports | toJson }}
{{- end -}}

{{/* True when all ports of a rule are among those of a profile; any, where it names none, or some by a name: (list NETWORK "rule"). */}}
{{- define "drawbridge.cel.portsOfProfile" -}}
{{- $named := false -}}
{{- $ports := list -}}
{{- range (index . 0).ports -}}
{{- if kindIs "string" .port }}{{ $named = true }}{{ else }}{{ $ports = append $ports (include "drawbridge.port" . | fromJson) }}{{ end -}}
{{- end -}}
{{- if or $named (not $ports) -}}
true
{{- else -}}
{{ index . 1 }}.?ports.orValue([]).all(port, dyn(port) in {{ include "drawbridge.cel.literal" $ports }})
{{- end -}}
{{- end -}}

{{/*
What profiles of a mode let a NetworkPolicy be: CEL expressions over all of them, true when the object is as one of them says for this namespace.
*/}}
{{- define "drawbridge.cel.egressOfProfiles" -}}
{{- $any := list -}}
{{- range include "drawbridge.profiles" . | fromJson -}}
{{- if eq (include "drawbridge.mode" .) "contain" -}}
{{- $rules := list -}}
{{- range .network.to -}}
{{- $ports := list -}}
{{- range .ports }}{{ $ports = append $ports (include "drawbridge.port" . | fromJson) }}{{ end -}}
{{- $rules = append $rules (dict "to" (list (include "drawbridge.peer" . | fromJson)) "ports" $ports) -}}
{{- end -}}
{{- if eq (.network.dns | default "none") "cluster" }}{{ $rules = append $rules (include "drawbridge.dns" . | fromJson) }}{{ end -}}
{{- $any = append $any (printf "(request.namespace.matches(%s) && dyn(variables.egress) == %s)" (include "drawbridge.namespaces" .namespaces | toJson) (include "drawbridge.cel.literal" $rules)) -}}
{{- end -}}
{{- end -}}
{{- $any | uniq | join "\n|| " | default "false" -}}
{{- end -}}

{{- define "drawbridge.cel.sourcesOfProfiles" -}}
{{- $any := list -}}
{{- range include "drawbridge.profiles" . | fromJson -}}
{{- if eq (include "drawbridge.mode" .) "bastion" -}}
{{- $peers := list -}}
{{- range .network.from }}{{ $peers = append $peers (include "drawbridge.peer" . | fromJson) }}{{ end -}}
{{- $any = append $any (printf "(request.namespace.matches(%s) && variables.ingress.all(i, has(i.from) && i.from.all(p, dyn(p) in %s) && %s))" (include "drawbridge.namespaces" .namespaces | toJson) (include "drawbridge.cel.literal" $peers) (include "drawbridge.cel.portsOfProfile" (list .network "i"))) -}}
{{- end -}}
{{- end -}}
{{- $any | uniq | join "\n|| " | default "false" -}}
{{- end -}}

{{/* True when a profile has a workspace for targets in this namespace, which reach them on these ports: (list ROOT "namespace" "rule" DNS). */}}
{{- define "drawbridge.cel.workspaceOfProfiles" -}}
{{- $namespace := index . 1 -}}
{{- $rule := index . 2 -}}
{{- $dns := index . 3 -}}
{{- $any := list -}}
{{- range include "drawbridge.profiles" (index . 0) | fromJson -}}
{{- if and (eq (include "drawbridge.mode" .) "workspace") (or (not $dns) (eq (.network.dns | default "none") "cluster")) -}}
{{- $any = append $any (printf "(%s.matches(%s) && %s)" $namespace (include "drawbridge.namespaces" .namespaces | toJson) (include "drawbridge.cel.portsOfProfile" (list .network $rule))) -}}
{{- end -}}
{{- end -}}
({{ include "drawbridge.cel.covered" (list (index . 0) $namespace) }}
&& ({{ $any | uniq | join "\n|| " | default "false" }}))
{{- end -}}

{{/* The workspaces of profiles, as the bot makes them: a list of image, command, dns and resources. */}}
{{- define "drawbridge.cel.workspaces" -}}
{{- $workspaces := list -}}
{{- range include "drawbridge.profiles" . | fromJson -}}
{{- if eq (include "drawbridge.mode" .) "workspace" -}}
{{- $command := .network.command | default (list "sleep" "infinity") -}}
{{- $workspaces = append $workspaces (dict "image" .network.image "command" $command "dns" (.network.dns | default "none") "resources" (include "drawbridge.resources" .network | fromJson)) -}}
{{- end -}}
{{- end -}}
{{ include "drawbridge.cel.literal" (uniq $workspaces) }}
{{- end -}}

{{/*
The node shells of profiles, as the bot makes them (src/adapters/kubernetes/manifests.ts): a list of the image, what is shared with the node, its volumes and
mounts, and the nodes, as a regular expression.
*/}}
{{- define "drawbridge.cel.shells" -}}
{{- $shells := list -}}
{{- range include "drawbridge.wideProfiles" . | fromJson -}}
{{- $nodes := .nodes -}}
{{- with .shell -}}
{{- $volumes := list -}}
{{- $mounts := list -}}
{{- $filesystem := .filesystem | default "read-only" -}}
{{- if ne $filesystem "none" -}}
{{- $volumes = list (dict "name" "host" "hostPath" (dict "path" "/" "type" "Directory")) -}}
{{- $mount := dict "name" "host" "mountPath" "/host" -}}
{{- if eq $filesystem "read-only" }}{{ $mount = merge $mount (dict "readOnly" true "recursiveReadOnly" "IfPossible") }}{{ end -}}
{{- $mounts = list $mount -}}
{{- end -}}
{{- $host := .host | default list -}}
{{- $shells = append $shells (dict "image" .image "pid" (has "pid" $host) "network" (has "network" $host) "volumes" $volumes "mounts" $mounts "nodes" (include "drawbridge.nodes" $nodes)) -}}
{{- end -}}
{{- end -}}
{{ include "drawbridge.cel.literal" (uniq $shells) }}
{{- end -}}

{{/* The images of workspaces in the policy, as a JSON list. */}}
{{- define "drawbridge.images" -}}
{{- $images := list -}}
{{- range include "drawbridge.profiles" . | fromJson }}{{ if eq (include "drawbridge.mode" .) "workspace" }}{{ $images = append $images .network.image }}{{ end }}{{ end -}}
{{- uniq $images | toJson -}}
{{- end -}}

{{/*
True of an init container c that is the probe of a workspace, as src/adapters/kubernetes/manifests.ts writes it. What it may have is said, and
of the rest nothing: restartPolicy would keep it running beside the workspace.
*/}}
{{- define "drawbridge.cel.isProbe" -}}
c.name == 'probe' && c.?image.orValue('') == {{ include "drawbridge.image" . | toJson }}
&& c.?imagePullPolicy.orValue('Always') in ['Always', 'IfNotPresent']
&& c.?command.orValue([]) == ['node', 'src/probe/main.ts', 'check']
&& c.?args.orValue([]).size() <= 10
&& c.?args.orValue([]).all(a, a.matches('^--(target|canary)=tcp:([0-9.]+|\\[[0-9a-f:.]+\\]):[0-9]{1,5}$'))
&& c.?workingDir.orValue('') == '/app'
&& c.?terminationMessagePath.orValue('/dev/termination-log') == '/dev/termination-log'
&& c.?terminationMessagePolicy.orValue('File') == 'File'
&& has(c.securityContext) && dyn(c.securityContext) == {{ include "drawbridge.cel.restricted" true }}
&& has(c.resources) && dyn(c.resources) == {{ include "drawbridge.cel.resources" . }}
&& {{ include "drawbridge.cel.onlyFields" (list "c" (list "name" "image" "imagePullPolicy" "command" "args" "workingDir" "terminationMessagePath" "terminationMessagePolicy" "securityContext" "resources")) }}
{{- end -}}

{{/* The constants of src/adapters/kubernetes/manifests.ts: what pods and containers of the bot may do, and use. */}}
{{- define "drawbridge.cel.restrictedPod" -}}
{{ include "drawbridge.cel.literal" (dict "runAsNonRoot" true "runAsUser" 65532 "runAsGroup" 65532 "seccompProfile" (dict "type" "RuntimeDefault")) }}
{{- end -}}

{{- define "drawbridge.cel.restricted" -}}
{{- $context := dict "allowPrivilegeEscalation" false "capabilities" (dict "drop" (list "ALL")) -}}
{{- if . }}{{ $_ := set $context "readOnlyRootFilesystem" true }}{{ end -}}
{{ include "drawbridge.cel.literal" $context }}
{{- end -}}

{{- define "drawbridge.cel.resources" -}}
{{ include "drawbridge.cel.literal" (include "drawbridge.resources" dict | fromJson) }}
{{- end -}}

{{- define "drawbridge.cel.shellResources" -}}
{{- $nothing := dict "cpu" "0" "memory" "0" "ephemeral-storage" "0" -}}
{{ include "drawbridge.cel.literal" (set (include "drawbridge.resources" dict | fromJson) "requests" $nothing) }}
{{- end -}}

{{/* True of the Job of a node shell, as far as its place and name go: one policy of the leash has these, another all other Jobs. */}}
{{- define "drawbridge.cel.isShell" -}}
request.namespace == '{{ .Values.nodes.namespace }}' && object.metadata.name.endsWith('-workspace')
{{- end -}}

{{/* What a workspace is given, as JSON, in the form in which the API server keeps it: of a profile's network. */}}
{{- define "drawbridge.resources" -}}
{{- $requests := dict "cpu" "10m" "memory" "32Mi" "ephemeral-storage" "0" -}}
{{- $limits := dict "cpu" "1" "memory" "512Mi" "ephemeral-storage" "1Gi" -}}
{{- with .resources -}}
{{- $cpu := include "drawbridge.cpu" .cpu -}}
{{- $memory := include "drawbridge.memory" .memory -}}
{{- $requests = dict "cpu" $cpu "memory" $memory "ephemeral-storage" "0" -}}
{{- $limits = dict "cpu" $cpu "memory" $memory "ephemeral-storage" "1Gi" -}}
{{- end -}}
{{ dict "requests" $requests "limits" $limits | toJson }}
{{- end -}}

{{/* Amounts, whose forms the schema has checked: in thousandths of a core and in Mi, and as the API server keeps them (src/domain/quantity.ts). */}}
{{- define "drawbridge.milli" -}}
{{- $text := toString . -}}
{{- if hasSuffix "m" $text }}{{ trimSuffix "m" $text }}{{ else }}{{ mul 1000 (int $text) }}{{ end -}}
{{- end -}}

{{- define "drawbridge.mebi" -}}
{{- if hasSuffix "Gi" . }}{{ mul 1024 (int (trimSuffix "Gi" .)) }}{{ else }}{{ trimSuffix "Mi" . }}{{ end -}}
{{- end -}}

{{- define "drawbridge.cpu" -}}
{{- $milli := include "drawbridge.milli" . | int -}}
{{- if eq (mod $milli 1000) 0 }}{{ div $milli 1000 }}{{ else }}{{ $milli }}m{{ end -}}
{{- end -}}

{{- define "drawbridge.memory" -}}
{{- $mebi := include "drawbridge.mebi" . | int -}}
{{- if eq (mod $mebi 1024) 0 }}{{ div $mebi 1024 }}Gi{{ else }}{{ $mebi }}Mi{{ end -}}
{{- end -}}

{{/*
True of the subject s of a binding that is a person or, where profiles are given by token, the account of its own grant. What is bound to an account the
bot itself can use, so that roles and rules of these profiles alone are.
*/}}
{{- define "drawbridge.cel.isSubject" -}}
(s.kind == 'User' && !s.name.startsWith('system:'))
{{- if .Values.accounts.enabled }}
|| (s.kind == 'ServiceAccount' && s.name == object.metadata.name && s.?namespace.orValue('') == {{ .Values.accounts.namespace | toJson }} && s.?apiGroup.orValue('') == '')
{{- end }}
{{- end -}}

{{/* By what whoever is bound acts: `user` or `token`. */}}
{{- define "drawbridge.cel.credential" -}}
"variables.subjects.exists(s, s.kind == 'ServiceAccount') ? 'token' : 'user'"
{{- end -}}

{{/* The head of a policy of the leash: it concerns bot and reaper alone, and refuses what it can't evaluate. */}}
{{- define "drawbridge.leash.match" -}}
failurePolicy: Fail
matchConditions:
  - name: is-ours
    expression: request.userInfo.username in {{ include "drawbridge.cel.hands" . }}
{{- end -}}

{{/*
Variables of a policy of the leash. The API server records who has set which field (managedFields) before it asks mutating admission webhooks: what
nobody has set, one of them has added. Who resets the record has none of the grant label.
*/}}
{{- define "drawbridge.leash.sent" -}}
- name: sent
  expression: dyn(object).metadata.?managedFields.orValue([])
- name: isRecorded
  expression: variables.sent.exists(m, m.?fieldsV1[?'f:metadata'][?'f:labels'][?'f:drawbridge.internal/grant'].hasValue())
{{- end -}}

{{/* True when somebody's request has set a field, an optional of the manager m, or when that is not recorded. */}}
{{- define "drawbridge.cel.isSent" -}}
(!variables.isRecorded || variables.sent.exists(m, {{ . }}.hasValue()))
{{- end -}}

{{/* True when the object ends with its lease: it has no other owner, since a second one would keep it. */}}
{{- define "drawbridge.cel.ownedByLease" -}}
object.metadata.?ownerReferences.orValue([]).size() == 1
&& object.metadata.ownerReferences.all(o, o.apiVersion == 'batch/v1' && o.kind == 'Job' && o.name == 'drawbridge-' + variables.grant
  && !o.?controller.orValue(false) && !o.?blockOwnerDeletion.orValue(false))
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
