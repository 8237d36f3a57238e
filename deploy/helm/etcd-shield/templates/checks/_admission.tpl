{{/* Checks of `admission`, of holding, and of what the controller mirrors. */}}

{{/* What a policy (`admission: policy` or `both`) cannot do, all of it in one sentence, so that one attempt shows everything. */}}
{{- define "etcd-shield.checks.admission" -}}
{{- $config := .Values.admitter.config -}}
{{- if ne .Values.admission "webhook" -}}
{{- if .Values.hold.enabled -}}
{{- fail (printf "admission is %s, but runs are held by the admitters' webhook alone: set hold.enabled=false, or admission=webhook." .Values.admission) -}}
{{- end -}}
{{- end -}}
{{- if include "etcd-shield.policy.needed" . -}}
{{- if not (semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "admission=%s needs Kubernetes 1.30 or newer; this is %s." .Values.admission .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- $cannot := list -}}
{{- if ne (int $config.denial.code) 403 -}}
{{- $cannot = append $cannot "answer 429 (set admitter.config.denial.code=403)" -}}
{{- end -}}
{{- if $config.retry_after -}}
{{- $cannot = append $cannot "ask clients to try again (set admitter.config.retry_after=[])" -}}
{{- end -}}
{{- if ne (toJson .Values.webhook.operations) (toJson (list "CREATE")) -}}
{{- $cannot = append $cannot "judge operations other than CREATE, because only a new object bears the time of the request (set webhook.operations=[CREATE])" -}}
{{- end -}}
{{- $hard := list -}}
{{- range $list := list "tiers" "exemptions" -}}
{{- range $index, $rule := get $config $list | default list -}}
{{- range $key := list "namespaces" "users" "groups" -}}
{{- range $glob := get $rule $key | default list -}}
{{- $stars := len (regexFindAll "[*]" $glob -1) -}}
{{- if or (regexMatch "[][?]" $glob) (gt $stars 2) (and (eq $stars 2) (not (regexMatch "^[*][^*]+[*]$" $glob))) -}}
{{- $hard = append $hard (printf "%s in admitter.config.%s[%d].%s" $glob $list $index $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $hard -}}
{{- $cannot = append $cannot (printf "match the patterns %s (write them with one *, or as *text*)" (join ", " $hard)) -}}
{{- end -}}
{{- if $cannot -}}
{{- fail (printf "admission=%s cannot %s. docs/admission.md compares policy and webhook." .Values.admission (join "; nor " $cannot)) -}}
{{- end -}}
{{- if eq (include "etcd-shield.policy.modes" .) "{}" -}}
{{- fail (printf "admission=%s, but admitter.config.mode is off for every tier: there is nothing to judge. Set admission=none, or webhook.enabled=false to judge later." .Values.admission) -}}
{{- end -}}
{{- if and (eq $config.freshness.on_unknown "deny") (eq .Values.webhook.failurePolicy "Ignore") -}}
{{- fail (printf "admission=%s: freshness.on_unknown is deny, but webhook.failurePolicy is Ignore, with which a missing Decision object admits. Set webhook.failurePolicy to Fail or leave it empty." .Values.admission) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "etcd-shield.checks.controller" -}}
{{- if include "etcd-shield.controller.needed" . -}}
{{- include "etcd-shield.checks.positive" (dict "duration" .Values.controller.config.interval "path" "controller.config.interval") -}}
{{- $interval := include "etcd-shield.seconds" .Values.controller.config.interval | float64 -}}
{{- if or (lt $interval 0.2) (gt $interval 60.0) -}}
{{- fail "controller.config.interval must be from 200ms to 1m." -}}
{{- end -}}
{{- include "etcd-shield.checks.positive" (dict "duration" .Values.controller.config.refresh "path" "controller.config.refresh") -}}
{{- include "etcd-shield.checks.positive" (dict "duration" .Values.hold.maxAge "path" "hold.maxAge") -}}
{{- $mirrors := or .Values.publish.configMap (include "etcd-shield.publish.object" .) -}}
{{- /* The controller writes an unchanged decision again every 60 s. */}}
{{- if and $mirrors (lt (include "etcd-shield.seconds" .Values.evaluator.config.ttl | float64) 120.0) -}}
{{- fail "evaluator.config.ttl must be at least 2m where the decision is mirrored (publish, or admission=policy or both): the controller renews an unchanged one once a minute." -}}
{{- end -}}
{{- if and (include "etcd-shield.policy.needed" .) (lt (include "etcd-shield.policy.expiredAfter" . | int) 120) -}}
{{- fail (printf "admitter.config.freshness.expired_after must be at least 2m with admission=%s: the controller renews an unchanged decision once a minute." .Values.admission) -}}
{{- end -}}
{{- end -}}
{{- end -}}
