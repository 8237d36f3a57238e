{{/* Which of the services a release has. */}}

{{/* Non-empty when the API server asks admitters. */}}
{{- define "etcd-shield.admitter.needed" -}}
{{- if has .Values.admission (list "webhook" "both") -}}true{{- end -}}
{{- end -}}

{{/* Non-empty when a policy inside the API server judges. */}}
{{- define "etcd-shield.policy.needed" -}}
{{- if has .Values.admission (list "policy" "both") -}}true{{- end -}}
{{- end -}}

{{/* Non-empty when the decision is mirrored into a Decision object. */}}
{{- define "etcd-shield.publish.object" -}}
{{- if or .Values.publish.kubernetes (include "etcd-shield.policy.needed" .) -}}true{{- end -}}
{{- end -}}

{{- define "etcd-shield.controller.needed" -}}
{{- if or .Values.hold.enabled .Values.kueue.clusterQueues .Values.publish.configMap (include "etcd-shield.publish.object" .) -}}true{{- end -}}
{{- end -}}

{{/* The services that are deployed, as a JSON list. */}}
{{- define "etcd-shield.services" -}}
{{- $services := list "evaluator" -}}
{{- if include "etcd-shield.admitter.needed" . -}}{{- $services = append $services "admitter" -}}{{- end -}}
{{- if include "etcd-shield.controller.needed" . -}}{{- $services = append $services "controller" -}}{{- end -}}
{{- toJson $services -}}
{{- end -}}
