{{- define "fabric.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "fabric.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "fabric.selector" . }}
{{- end }}

{{- define "fabric.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* The image of a component. What it says of tag and digest stands for both of the chart's. Takes a dict: root, settings. */}}
{{- define "fabric.image" -}}
{{- $version := .root.Values.image }}
{{- with .settings.image }}{{ if or .tag .digest }}{{ $version = . }}{{ end }}{{ end }}
{{- .root.Values.image.repository }}{{ if $version.digest }}@{{ $version.digest }}{{ else }}:{{ $version.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "fabric.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "fabric.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- /* Seconds of a duration such as 1h30m or 90s. */}}
{{- define "fabric.seconds" -}}
{{- $hours := regexFind "[0-9]+h" . | trimSuffix "h" | default "0" | int }}
{{- $minutes := regexFind "[0-9]+m" . | trimSuffix "m" | default "0" | int }}
{{- $seconds := regexFind "[0-9]+s" . | trimSuffix "s" | default "0" | int }}
{{- add (mul $hours 3600) (mul $minutes 60) $seconds }}
{{- end }}

{{- /* A group of workers: what it says, over what holds for all of them. Takes the root and the group's name. */}}
{{- define "fabric.group" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}
{{- include "fabric.over" (tuple $root.Values.worker (index $root.Values.workers $name | default dict)) }}
{{- end }}

{{- /* The gateway of operators: what it says, over what holds for gateways. */}}
{{- define "fabric.admin" -}}
{{- include "fabric.over" (tuple .Values.gateway (omit .Values.adminGateway "enabled")) }}
{{- end }}

{{- /* Who is behind the Service of the admin API. */}}
{{- define "fabric.admin.selector" -}}
{{ include "fabric.selector" . }}
app.kubernetes.io/component: {{ ternary "admin" "gateway" .Values.adminGateway.enabled }}
{{- end }}

{{- /* Whether KEDA scales any group of workers. */}}
{{- define "fabric.keda" -}}
{{- range $group := keys .Values.workers }}
{{- if eq (include "fabric.group" (tuple $ $group) | fromYaml).scaling.by "keda" }}true{{ end }}
{{- end }}
{{- end }}

{{- /* Whether the chart runs NATS: if it may, and no other is named. It is said whom it asks for what, or that it asks nobody. */}}
{{- define "fabric.nats" -}}
{{- $nats := .Values.nats }}
{{- if and $nats.enabled (not .Values.broker.url) (not .Values.broker.urlSecret.name) }}
{{- if and $nats.authSecret.name $nats.insecureNoAuth }}{{ fail "nats.insecureNoAuth contradicts nats.authSecret: leave one away" }}{{ end }}
{{- if not (or $nats.authSecret.name $nats.insecureNoAuth) }}
{{- fail "say by which password NATS knows its clients: nats.authSecret.name; or nats.insecureNoAuth, if something else keeps others away from it" }}
{{- end }}true
{{- end }}
{{- end }}

{{- /* What one says, over what holds for all. An image is one word: its digest for all must not beat its own tag. */}}
{{- define "fabric.over" -}}
{{- $all := deepCopy (index . 0) }}{{ $own := index . 1 }}
{{- if $own.image }}{{ $_ := unset $all "image" }}{{ end }}
{{- mergeOverwrite $all $own | toYaml }}
{{- end }}
