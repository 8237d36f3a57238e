{{- define "etcd-shield.redis.authSecret" -}}
{{- .Values.redis.auth.existingSecret | default (include "etcd-shield.redis.name" .) -}}
{{- end -}}

{{/*
Who may do what, in Redis' own ACL format with hashed passwords. Without a login only PING works, for the probes. The
evaluator writes; the admitters read and count what they admit. Both only below their cluster's prefix.
*/}}
{{- define "etcd-shield.redis.acl" -}}
{{- $keys := printf "etcd-shield:{%s}:*" .root.Values.cluster -}}
user default on nopass resetkeys resetchannels -@all +ping
user evaluator on #{{ sha256sum .evaluator }} ~{{ $keys }} resetchannels &{{ $keys }} -@all +auth +hello +select +ping +info +get +set +del +pttl +time +hlen +hgetall +eval +publish +subscribe +unsubscribe +pubsub|numsub
user admitter on #{{ sha256sum .admitter }} %R~{{ $keys }} ~etcd-shield:{{ printf "{%s}" .root.Values.cluster }}:admitted resetchannels &{{ $keys }} -@all +auth +hello +select +ping +get +pttl +hincrby +subscribe +unsubscribe
{{- end -}}

{{/* The Secret's data as JSON: passwords that the cluster has are used again. Made once per rendering. */}}
{{- define "etcd-shield.redis.auth" -}}
{{- $memory := .Values.redis.auth -}}
{{- if not (hasKey $memory "made") -}}
{{- $present := lookup "v1" "Secret" .Release.Namespace (include "etcd-shield.redis.name" .) -}}
{{- $data := ($present | default dict).data | default dict -}}
{{- $evaluator := get $data "evaluator-password" | b64dec | default (randAlphaNum 40) -}}
{{- $admitter := get $data "admitter-password" | b64dec | default (randAlphaNum 40) -}}
{{- $acl := include "etcd-shield.redis.acl" (dict "root" . "evaluator" $evaluator "admitter" $admitter) -}}
{{- $_ := set $memory "made" (dict "evaluator-password" $evaluator "admitter-password" $admitter "users.acl" (printf "%s\n" $acl)) -}}
{{- end -}}
{{- toJson $memory.made -}}
{{- end -}}
