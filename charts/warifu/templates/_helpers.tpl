{{/* Labels of every object. Names are fixed: the operator looks for them, and a cluster has one Warifu. */}}
{{- define "warifu.labels" -}}
{{ include "warifu.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with omit .Values.commonLabels "app.kubernetes.io/name" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels and annotations of an object that has no others. */}}
{{- define "warifu.metadata" -}}
labels:
  {{- include "warifu.labels" . | nindent 2 }}
{{- with .Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Labels by which Services find the operator's pods. They never change, since a Deployment's selector cannot. */}}
{{- define "warifu.selector" -}}
app.kubernetes.io/name: warifu
app.kubernetes.io/component: operator
{{- end }}

{{/* Reference of an image: (dict "image" .Values.image "root" $). */}}
{{- define "warifu.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* clientConfig of a webhook: (dict "path" "/..." "root" $). caBundle is the operator's to write and is left out, so that an
     upgrade never takes it away. */}}
{{- define "warifu.clientConfig" -}}
{{- if .root.Values.webhook.url -}}
url: {{ printf "%s%s" (trimSuffix "/" .root.Values.webhook.url) .path | quote }}
{{- else -}}
service:
  name: warifu-webhook
  namespace: {{ .root.Release.Namespace }}
  path: {{ .path }}
  port: 443
{{- end -}}
{{- end }}

{{/* Namespaces whose pods never wait for Warifu. */}}
{{- define "warifu.excludedNamespaces" -}}
{{- concat (list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace) .Values.webhook.excludedNamespaces | uniq | toYaml -}}
{{- end }}

{{/* What the injector's entries have in common. Fail: a pod that opted in never starts unprotected. IfNeeded: containers that a
     later webhook adds get their TLS files too. */}}
{{- define "warifu.injector" -}}
clientConfig:
  {{- include "warifu.clientConfig" (dict "path" "/mutate-pods" "root" .) | nindent 2 }}
rules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE]
    resources: [pods]
    scope: Namespaced
failurePolicy: Fail
matchPolicy: Equivalent
reinvocationPolicy: IfNeeded
sideEffects: NoneOnDryRun
timeoutSeconds: 5
admissionReviewVersions: [v1]
{{- end }}

{{/* The operator's configuration file. It alone decides whether a change of values replaces the pods. */}}
{{- define "warifu.config" -}}
trustDomain: {{ .Values.trustDomain | quote }}
clusterDomain: {{ .Values.clusterDomain | quote }}
webhook:
  port: 9443
  {{- with .Values.webhook.url }}
  url: {{ . | quote }}
  {{- end }}
metrics:
  address: {{ ternary ":8443" "0" .Values.metrics.enabled | quote }}
  secure: true
health:
  address: ":8081"
leaderElection:
  enabled: true
injection:
  dataPlane: {{ .Values.dataPlane }}
  proxyImage: {{ include "warifu.image" (dict "image" .Values.proxy.image "root" $) | quote }}
  proxyImagePullPolicy: {{ .Values.proxy.image.pullPolicy }}
  {{- with .Values.proxy.resources }}
  proxyResources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.proxy.excludableInboundPorts }}
  excludableInboundPorts: {{ toJson . }}
  {{- end }}
proxy:
  {{- with .Values.proxy.clusterRanges }}
  clusterRanges: {{ toJson . }}
  {{- end }}
  accessLogPercent: {{ .Values.proxy.accessLogPercent }}
  {{- with .Values.proxy.metricsFrom }}
  metricsFrom: {{ toJson . }}
  {{- end }}
log:
  level: {{ .Values.log.level }}
  format: {{ .Values.log.format }}
{{- end }}
