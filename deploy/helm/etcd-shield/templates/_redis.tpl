{{- define "etcd-shield.redis.authSecret" -}}
{{- .Values.redis.auth.existingSecret | default (include "etcd-shield.redis.name" .) -}}
{{- end -}}

{{/* Non-empty when the chart makes the Secret with Redis' passwords. */}}
{{- define "etcd-shield.redis.makesSecret" -}}
{{- if and .Values.redis.enabled .Values.generateSecrets (not .Values.redis.auth.existingSecret) -}}true{{- end -}}
{{- end -}}

{{/*
Each user's rights, in Redis' own ACL format. The pod puts the passwords' hashes in at its start. Without a login only PING
works, for the probes. The evaluator writes below its cluster's prefix. An admitter reads the decision, and adds to the counts
of admitted runs: HINCRBY both reads and writes, so that one key needs both rights; no other command of its own writes. The controller
reads the decision and those counts, and writes how many runs are held.
*/}}
{{- define "etcd-shield.redis.acl" -}}
{{- $prefix := printf "etcd-shield:{%s}:" .Values.cluster -}}
user default on nopass resetkeys resetchannels -@all +ping
user evaluator on #EVALUATOR_HASH resetkeys ~{{ $prefix }}* resetchannels &{{ $prefix }}* -@all +auth +hello +select +ping +info +get +set +del +pttl +time +hlen +hgetall +hdel +eval +publish +subscribe +unsubscribe +pubsub|numsub
user admitter on #ADMITTER_HASH resetkeys %R~{{ $prefix }}decision ~{{ $prefix }}admitted resetchannels &{{ $prefix }}decision -@all +auth +hello +select +ping +get +pttl +hincrby +subscribe +unsubscribe
{{- if include "etcd-shield.controller.needed" . }}
user controller on #CONTROLLER_HASH resetkeys %R~{{ $prefix }}decision %R~{{ $prefix }}admitted ~{{ $prefix }}held resetchannels &{{ $prefix }}decision -@all +auth +hello +select +ping +get +pttl +hmget +set +subscribe +unsubscribe
{{- end }}
{{- end -}}

{{/* Redis' users that log in, as a JSON list. An admitter's user costs nothing where there is none. */}}
{{- define "etcd-shield.redis.users" -}}
{{- $users := list "evaluator" "admitter" -}}
{{- if include "etcd-shield.controller.needed" . -}}{{- $users = append $users "controller" -}}{{- end -}}
{{- toJson $users -}}
{{- end -}}

{{/* The Secret's data as JSON: passwords that the cluster has are used again. Made once per rendering. */}}
{{- define "etcd-shield.redis.auth" -}}
{{- $memory := .Values.redis.auth -}}
{{- if not (hasKey $memory "made") -}}
{{- $present := lookup "v1" "Secret" (include "etcd-shield.namespace" .) (include "etcd-shield.redis.name" .) -}}
{{- $data := ($present | default dict).data | default dict -}}
{{- $made := dict -}}
{{- range include "etcd-shield.redis.users" . | fromJsonArray -}}
{{- $key := printf "%s-password" . -}}
{{- $_ := set $made $key (get $data $key | default (randAlphaNum 40 | b64enc)) -}}
{{- end -}}
{{- $_ := set $memory "made" $made -}}
{{- end -}}
{{- toJson $memory.made -}}
{{- end -}}
