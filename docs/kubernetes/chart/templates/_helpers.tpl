{{- define "mirror-observer.name" -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "mirror-observer.labels" -}}
app.kubernetes.io/name: mirror-observer
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mirror-observer.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "mirror-observer.config" -}}
{{- if not (has .Values.mode (list "daemonset" "sidecar")) }}{{ fail "mode: must be daemonset or sidecar" }}{{ end -}}
{{- if not (has .Values.reload (list "signal" "restart" "none")) }}{{ fail "reload: must be signal, restart or none" }}{{ end -}}
listen: 0.0.0.0:10432
pin: /pins/mirror_observer
proxy: {{ toJson (required "observer.proxy: which process is the proxy?" .Values.observer.proxy) }}
clusters: {{ toJson (required "observer.clusters: which pairs of primary and mirror?" .Values.observer.clusters) }}
{{- with .Values.observer.extra }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "mirror-observer.podLabels" -}}
{{ include "mirror-observer.labels" . }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- if eq .Values.mode "sidecar" }}
{{- with .Values.sidecar.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "mirror-observer.podAnnotations" -}}
{{- if or .Values.podAnnotations (eq .Values.reload "restart") }}
annotations:
  {{- if eq .Values.reload "restart" }}
  checksum/config: {{ include "mirror-observer.config" . | sha256sum }}
  {{- end }}
  {{- with .Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* The observer, and what tells it of a new configuration. uid 0 only because Kubernetes gives capabilities to no other. */ -}}
{{- define "mirror-observer.containers" -}}
- name: mirror-observer
  image: {{ include "mirror-observer.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: ["--config", "/etc/mirror-observer/observer.yaml"]
  env:
    - name: POD_NAME
      valueFrom: { fieldRef: { fieldPath: metadata.name } }
  ports:
    - { name: metrics, containerPort: 10432 }
  livenessProbe:
    httpGet: { path: /-/healthy, port: metrics }
  readinessProbe:
    httpGet: { path: /-/ready, port: metrics }
  resources: {{ toJson .Values.resources }}
  securityContext:
    runAsUser: 0
    capabilities:
      drop: [ALL]
      add: [BPF, PERFMON]
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    seccompProfile: { type: RuntimeDefault } # lets bpf() pass for CAP_BPF since containerd 1.7 and Docker 24
  {{- if eq .Values.mode "sidecar" }}
  # The next pod has another name: its counters begin anew, and these must not stay on the node.
  lifecycle:
    preStop:
      exec: { command: ["rm", "-rf", "/pins/mirror_observer"] }
  {{- end }}
  volumeMounts:
    - { name: config, mountPath: /etc/mirror-observer, readOnly: true }
    {{- if eq .Values.mode "sidecar" }}
    # Several pods may share a node: each has a folder of its own there.
    - { name: bpffs, mountPath: /pins, subPathExpr: $(POD_NAME) }
    {{- else }}
    - { name: bpffs, mountPath: /pins }
    {{- end }}
{{- if eq .Values.reload "signal" }}
# Sends SIGHUP to the observer of its own pod (they share the network namespace) when the mounted file has changed.
- name: reload
  image: {{ include "mirror-observer.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: ["/usr/share/mirror-observer/reload-when-changed", "/etc/mirror-observer/observer.yaml", "10"]
  resources:
    requests: { cpu: 1m, memory: 8Mi }
    limits: { memory: 32Mi }
  securityContext:
    runAsUser: 0
    capabilities:
      drop: [ALL]
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    seccompProfile: { type: RuntimeDefault }
  volumeMounts:
    - { name: config, mountPath: /etc/mirror-observer, readOnly: true }
{{- end }}
{{- end }}

{{- define "mirror-observer.volumes" -}}
- name: config
  configMap: { name: {{ include "mirror-observer.name" . }} }
# The node's bpffs, so that the counters outlive the pod. Where the node has none mounted there, the folder is made, and
# the observer says that it is no bpffs.
- name: bpffs
  hostPath: { path: /sys/fs/bpf, type: DirectoryOrCreate }
{{- end }}

{{- define "mirror-observer.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
