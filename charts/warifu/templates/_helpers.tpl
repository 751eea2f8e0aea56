{{/* Labels of every object. Names are fixed: the operator looks for them, and a cluster has one Warifu. */}}
{{- define "warifu.labels" -}}
{{ include "warifu.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
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
