{{- /* The file of options of one process. Takes a dict: root, component, settings. What is said for the component beats what
is said for all, which beats what follows from other values. */}}
{{- define "fabric.options" -}}
{{- $values := .root.Values }}
{{- $auth := include "fabric.auth" .root | fromYaml }}
{{- include "fabric.reserved" . }}
{{- $options := dict "admin-listen" "0.0.0.0:8081" "prefix" $values.broker.prefix "replicas" $values.broker.replicas "pre-stop" .settings.preStop }}
{{- if has .component (list "gateway" "admin") }}
{{- $options = merge $options (dict "listen" "0.0.0.0:8080" "grace" .settings.grace) }}
{{- else }}
{{- $options = merge $options (dict "grace" .settings.longestCall) }}
{{- with .settings.queues }}{{ $_ := set $options "queue" . }}{{ end }}
{{- end }}
{{- if $values.broker.url }}
{{- $_ := set $options "broker" $values.broker.url }}
{{- else if not $values.broker.urlSecret.name }}
{{- if not $values.nats.enabled }}{{ fail "say where NATS is: broker.url, broker.urlSecret or nats.enabled" }}{{ end }}
{{- $_ := set $options "broker" (printf "nats://%s-nats:4222" (include "fabric.name" .root)) }}
{{- if and (include "fabric.nats" .root) $values.nats.authSecret.name }}
{{- $options = merge $options (dict "broker-user" "fabric" "broker-password-file" "/etc/fabric-nats/password") }}
{{- end }}
{{- end }}
{{- $options = mergeOverwrite $options $auth (deepCopy $values.config) (deepCopy .settings.config) }}
{{- range $option, $value := $options }}
{{- if not (kindIs "invalid" $value) }}
{{ $option }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Nobody says by another way how long a process takes to end: its pod would be given another time. Nor where it listens and
what it reads: probes and Services go by that. */}}
{{- define "fabric.reserved" -}}
{{- range $.settings.env }}
{{- if has .name (list "FABRIC_CONFIG" "FABRIC_LISTEN" "FABRIC_ADMIN_LISTEN") }}{{ fail (printf "env, %s: that is the chart's to say; options go into config" .name) }}{{ end }}
{{- end }}
{{- range $option, $variable := dict "grace" "FABRIC_GRACE" "pre-stop" "FABRIC_PRE_STOP" }}
{{- $instead := "say preStop, and gateway.grace or worker.longestCall: terminationGracePeriodSeconds of the pods follows from these" }}
{{- if or (hasKey $.root.Values.config $option) (hasKey $.settings.config $option) }}{{ fail (printf "config.%s: %s" $option $instead) }}{{ end }}
{{- range $.settings.env }}
{{- if eq .name $variable }}{{ fail (printf "env, %s: %s" $variable $instead) }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The options by which it is known who may do what. Nothing is open to everybody unless somebody says so. */}}
{{- define "fabric.auth" -}}
{{- $auth := .Values.auth }}
{{- $locked := or $auth.adminKeySecret.name .Values.config.auth (index .Values.config "oidc-issuer") }}
{{- if and $locked $auth.insecureNoAuth }}{{ fail "auth.insecureNoAuth contradicts what else is said of who may do what: leave it away" }}{{ end }}
{{- if not (or $locked $auth.insecureNoAuth) }}
{{- fail "say who may do what: auth.adminKeySecret.name, or config.oidc-issuer with config.oidc-audience; or auth.insecureNoAuth, if something else keeps others away" }}
{{- end }}
{{- if $auth.insecureNoAuth }}
insecure-no-auth: true
{{- end }}
{{- if $auth.adminKeySecret.name }}
admin-key-file: /etc/fabric-keys/admin
{{- end }}
{{- end }}
