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

{{- /* Whether the pod may read the Secret of a name. */ -}}
{{- define "warifu.guards.readable" -}}
!({{ . }} in variables.reserved) && (!{{ . }}.startsWith('warifu-identity-') || {{ . }} == variables.own || (variables.stem != '' && size({{ . }}) == 253 && {{ . }}.startsWith(variables.stem)))
{{- end }}

{{- /* The containers of a pod that have names of ours, with their images. */ -}}
{{- define "warifu.guards.named" -}}
(dyn({{ . }}.spec.containers) + dyn({{ . }}.spec.?initContainers.orValue([])) + dyn({{ . }}.spec.?ephemeralContainers.orValue([]))).filter(c, c.name in ['warifu-proxy', 'warifu-redirect']).map(c, [c.name, c.image])
{{- end }}
