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

{{- define "fabric.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
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
{{- mergeOverwrite (deepCopy $root.Values.worker) (index $root.Values.workers $name | default dict) | toYaml }}
{{- end }}

{{- /* The gateway of operators: what it says, over what holds for gateways. */}}
{{- define "fabric.admin" -}}
{{- mergeOverwrite (deepCopy .Values.gateway) (omit .Values.adminGateway "enabled") | toYaml }}
{{- end }}
