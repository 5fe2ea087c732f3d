{{- /* What all processes share. Each takes a dict: root, component, settings. */}}

{{- define "fabric.pod.metadata" -}}
labels:
  {{- include "fabric.selector" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
  fabric-process: "true"
  {{- with .settings.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
annotations:
  # Options are read when a process starts: it starts anew when they change.
  checksum/options: {{ include "fabric.options" . | sha256sum }}
  {{- with .settings.podAnnotations }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}

{{- define "fabric.pod.placing" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
serviceAccountName: {{ include "fabric.serviceAccount" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .settings.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .settings.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .settings.topologySpread }}
topologySpreadConstraints:
  {{- range tuple "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "fabric.selector" $.root | nindent 8 }}
        app.kubernetes.io/component: {{ $.component }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "fabric.container" -}}
image: {{ include "fabric.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources:
  {{- toYaml .settings.resources | nindent 2 }}
env:
  - name: FABRIC_CONFIG
    value: /etc/fabric/{{ .component }}.toml
  {{- with .root.Values.broker.urlSecret }}{{ if .name }}
  - name: FABRIC_BROKER
    valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
  {{- end }}{{ end }}
  {{- range $name, $field := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "NODE_NAME" "spec.nodeName" }}
  - name: {{ $name }}
    valueFrom: {fieldRef: {fieldPath: {{ $field }}}}
  {{- end }}
  - name: OTEL_RESOURCE_ATTRIBUTES
    value: k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE),k8s.node.name=$(NODE_NAME)
  {{- with .settings.env }}{{ toYaml . | nindent 2 }}{{ end }}
volumeMounts:
  - {name: config, mountPath: /etc/fabric, readOnly: true}
  {{- if .root.Values.auth.adminKeySecret.name }}
  - {name: keys, mountPath: /etc/fabric-keys, readOnly: true}
  {{- end }}
  {{- if .root.Values.broker.filesSecret.name }}
  - {name: broker, mountPath: /etc/fabric-broker, readOnly: true}
  {{- end }}
  {{- if and (include "fabric.nats" .root) .root.Values.nats.authSecret.name }}
  - {name: nats, mountPath: /etc/fabric-nats, readOnly: true}
  {{- end }}
startupProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 1
{{- end }}

{{- define "fabric.pod.volumes" -}}
volumes:
  - name: config
    configMap:
      name: {{ include "fabric.name" .root }}
      items: [{key: {{ .component }}.toml, path: {{ .component }}.toml}]
  {{- with .root.Values.auth.adminKeySecret }}{{ if .name }}
  - name: keys
    secret: {secretName: {{ .name }}, defaultMode: 0440, items: [{key: {{ .key }}, path: admin}]}
  {{- end }}{{ end }}
  {{- if .root.Values.broker.filesSecret.name }}
  - name: broker
    secret: {secretName: {{ .root.Values.broker.filesSecret.name }}, defaultMode: 0440}
  {{- end }}
  {{- with .root.Values.nats.authSecret }}{{ if and .name (include "fabric.nats" $.root) }}
  - name: nats
    secret: {secretName: {{ .name }}, defaultMode: 0440, items: [{key: {{ .key }}, path: password}]}
  {{- end }}{{ end }}
{{- end }}
