{{/* Seconds that the end of an admitter takes: the hook, draining, and a last request with its timeout. */}}

{{- define "etcd-shield.admitter.shortestGrace" -}}
{{- $drain := include "etcd-shield.seconds" .Values.admitter.config.drain | float64 | ceil | int -}}
{{- add .Values.admitter.preStopSeconds $drain .Values.webhook.timeoutSeconds -}}
{{- end -}}

{{- define "etcd-shield.admitter.grace" -}}
{{- if .Values.admitter.terminationGracePeriodSeconds -}}
{{- int .Values.admitter.terminationGracePeriodSeconds -}}
{{- else -}}
{{/* Ten more: the service gives requests in flight up to 5 s, and ending takes a moment. */}}
{{- max 30 (add (include "etcd-shield.admitter.shortestGrace" . | int) 10) -}}
{{- end -}}
{{- end -}}

{{- define "etcd-shield.admitter.preStop" -}}
{{- if .Values.admitter.preStopSeconds -}}
lifecycle:
  preStop:
    {{- if semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version }}
    sleep: {seconds: {{ int .Values.admitter.preStopSeconds }}}
    {{- else }}
    exec: {command: [sleep, {{ int .Values.admitter.preStopSeconds | quote }}]}
    {{- end }}
{{- end -}}
{{- end -}}
