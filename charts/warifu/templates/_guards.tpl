{{- /* What a pod may do is settled when it is created, but for ephemeral containers. */ -}}
{{- define "warifu.guards.podCreation" -}}
resourceRules:
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [CREATE]
    resources: [pods]
    scope: Namespaced
  - apiGroups: [""]
    apiVersions: [v1]
    operations: [UPDATE]
    resources: [pods/ephemeralcontainers]
    scope: Namespaced
{{- end }}

{{- /* The match condition of those whom guards.exempt does not name; empty when it names nobody. */ -}}
{{- define "warifu.guards.notExempt" -}}
{{- $exempt := .Values.guards.exempt }}
{{- $users := $exempt.users }}
{{- range $exempt.serviceAccounts }}{{ $users = append $users (printf "system:serviceaccount:%s" (replace "/" ":" .)) }}{{ end }}
{{- if or $users $exempt.groups -}}
- name: not-exempt
  expression: >-
    !(request.userInfo.username in {{ toJson $users }} || request.userInfo.?groups.orValue([]).exists(g, g in {{ toJson $exempt.groups }}))
{{- end }}
{{- end }}

{{- /* Whether the pod may not read the Secret of a name. Every pod of the cluster pays for what is evaluated here, and nearly no name
       begins like ours. */ -}}
{{- define "warifu.guards.forbidden" -}}
{{ . }}.startsWith('warifu-') && ({{ . }} in variables.reserved || {{ . }}.startsWith('warifu-identity-') && {{ . }} != variables.own && !(variables.stem != '' && size({{ . }}) == 253 && {{ . }}.startsWith(variables.stem)))
{{- end }}

{{- /* The same of a Secret that a volume source, if the volume has it, names in a field of that source. */ -}}
{{- define "warifu.guards.forbiddenIn" -}}
has(v.{{ index . 0 }}) && {{ printf "[v.%s.?%s.orValue('')]" (index . 0) (index . 1) }}.exists(n, {{ include "warifu.guards.forbidden" "n" }})
{{- end }}

{{- /* The containers of a pod that have names of ours, with their images. */ -}}
{{- define "warifu.guards.named" -}}
(dyn({{ . }}.spec.containers) + dyn({{ . }}.spec.?initContainers.orValue([])) + dyn({{ . }}.spec.?ephemeralContainers.orValue([]))).filter(c, c.name in ['warifu-proxy', 'warifu-redirect']).map(c, [c.name, c.image])
{{- end }}

{{- /* Whether a list of containers has one of a name of ours. */ -}}
{{- define "warifu.guards.hasNamed" -}}
{{ . }}.exists(c, c.name in ['warifu-proxy', 'warifu-redirect'])
{{- end }}
