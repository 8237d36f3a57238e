{{/*
The ValidatingAdmissionPolicy of `admission: policy`, in CEL. What CEL cannot do is refused in checks/_admission.tpl.
*/}}

{{/* etcd-shield.policy.glob (dict "glob" "a*b" "of" "request.namespace"): whether a text matches a shell pattern with one `*`, or `*a*`. */}}
{{- define "etcd-shield.policy.glob" -}}
{{- $parts := splitList "*" .glob -}}
{{- if eq (len $parts) 1 -}}
{{ .of }} == {{ toJson .glob }}
{{- else if eq (len $parts) 3 -}}
{{ .of }}.contains({{ index $parts 1 | toJson }})
{{- else -}}
{{- $first := first $parts -}}
{{- $last := last $parts -}}
{{- $all := list -}}
{{- if $first -}}{{- $all = append $all (printf "%s.startsWith(%s)" .of (toJson $first)) -}}{{- end -}}
{{- if $last -}}{{- $all = append $all (printf "%s.endsWith(%s)" .of (toJson $last)) -}}{{- end -}}
{{- if and $first $last -}}
{{- /* Otherwise "ab*bc" would match "abc". Code points, as CEL counts. */}}
{{- $all = append $all (printf "size(%s) >= %d" .of (add (len (regexFindAll "(?s)." $first -1)) (len (regexFindAll "(?s)." $last -1)))) -}}
{{- end -}}
{{ $all | default (list "true") | join " && " }}
{{- end -}}
{{- end -}}

{{/* etcd-shield.policy.globs (dict "globs" … "of" …): whether it matches one of them. */}}
{{- define "etcd-shield.policy.globs" -}}
{{- $of := .of -}}
{{- $any := list -}}
{{- range .globs -}}
{{- $any = append $any (include "etcd-shield.policy.glob" (dict "glob" . "of" $of)) -}}
{{- end -}}
{{- if eq (len $any) 1 }}{{ first $any }}{{ else }}({{ join " || " $any }}){{ end -}}
{{- end -}}

{{/* etcd-shield.policy.matches RULE: every field that a rule names has to match. */}}
{{- define "etcd-shield.policy.matches" -}}
{{- $all := list -}}
{{- with .namespaces -}}{{- $all = append $all (include "etcd-shield.policy.globs" (dict "globs" . "of" "request.namespace")) -}}{{- end -}}
{{- with .users -}}{{- $all = append $all (include "etcd-shield.policy.globs" (dict "globs" . "of" "request.userInfo.username")) -}}{{- end -}}
{{- with .groups -}}
{{- $all = append $all (printf "has(request.userInfo.groups) && request.userInfo.groups.exists(group, %s)" (include "etcd-shield.policy.globs" (dict "globs" . "of" "group"))) -}}
{{- end -}}
{{- range $key, $value := .labels -}}
{{- $key = toJson $key -}}
{{- $all = append $all (printf "has(object.metadata.labels) && %s in object.metadata.labels && object.metadata.labels[%s] == %s" $key $key (toJson $value)) -}}
{{- end -}}
{{ join " && " $all }}
{{- end -}}

{{/* The tier of a request: the first rule that matches. */}}
{{- define "etcd-shield.policy.tier" -}}
{{- range .Values.admitter.config.tiers -}}
({{ include "etcd-shield.policy.matches" . }}) ? {{ toJson .tier }} :
{{ end -}}
{{ toJson .Values.evaluator.config.default_tier }}
{{- end -}}

{{/* Whether an exemption matches that has not expired. CEL has no clock; the API server sets the object's creationTimestamp. */}}
{{- define "etcd-shield.policy.exempt" -}}
{{- $any := list -}}
{{- range .Values.admitter.config.exemptions -}}
{{- $any = append $any (printf "(variables.now < timestamp(%s) && %s)" (toJson .expires) (include "etcd-shield.policy.matches" .)) -}}
{{- end -}}
{{ $any | default (list "false") | join " ||\n" }}
{{- end -}}

{{/* Seconds after which a decision is expired, whatever its own ttlSeconds. */}}
{{- define "etcd-shield.policy.expiredAfter" -}}
{{- include "etcd-shield.seconds" .Values.admitter.config.freshness.expired_after | float64 | ceil | int -}}
{{- end -}}

{{/* The tiers of each mode, as JSON: {"enforce": ["standard"]}. A mode without tiers is left out, and so is `off`. */}}
{{- define "etcd-shield.policy.modes" -}}
{{- $config := .Values.admitter.config -}}
{{- $modes := dict -}}
{{- range $tier, $_ := .Values.evaluator.config.tiers -}}
{{- $mode := get ($config.tier_modes | default dict) $tier | default $config.mode -}}
{{- if ne $mode "off" -}}
{{- $_ := set $modes $mode (append (get $modes $mode | default list) $tier) -}}
{{- end -}}
{{- end -}}
{{- toJson $modes -}}
{{- end -}}

{{/* etcd-shield.policy.name (dict "root" $ "mode" "enforce") */}}
{{- define "etcd-shield.policy.name" -}}
{{- include "etcd-shield.webhook.name" .root -}}
{{- if ne .mode "enforce" }}-{{ .mode }}{{ end -}}
{{- end -}}

{{/*
etcd-shield.policy.onUnknown (dict "root" $ "mode" "enforce"): `allow` or `deny`, without a decision. The API server refuses for a missing
object, or with the failure policy, whatever the actions of the binding are, so a policy that only warns or audits has to allow.
*/}}
{{- define "etcd-shield.policy.onUnknown" -}}
{{- ternary .root.Values.admitter.config.freshness.on_unknown "allow" (eq .mode "enforce") -}}
{{- end -}}

{{/* Unless the user says otherwise, a policy that cannot be evaluated says the same as without a decision. */}}
{{- define "etcd-shield.policy.failurePolicy" -}}
{{- .root.Values.webhook.failurePolicy | default (ternary "Fail" "Ignore" (eq (include "etcd-shield.policy.onUnknown" .) "deny")) -}}
{{- end -}}

{{/* The end of a message: where to read more. */}}
{{- define "etcd-shield.policy.link" -}}
{{- with (.Values.admitter.config.denial | default dict).url | default .Values.evaluator.config.status_url }} See {{ . }}{{ end -}}
{{- end -}}
