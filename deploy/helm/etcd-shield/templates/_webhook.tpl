{{- define "etcd-shield.webhook.secret" -}}
{{- if eq .Values.webhook.tls.mode "existingSecret" -}}
{{- .Values.webhook.tls.existingSecret.name -}}
{{- else -}}
{{- include "etcd-shield.admitter.name" . }}-tls
{{- end -}}
{{- end -}}

{{/*
The selfSigned certificate as JSON: ca.crt, tls.crt and tls.key in base64. What the cluster has is used again, so that an
upgrade changes neither certificate nor caBundle. Made once per rendering: the Secret and the webhook have to agree.
*/}}
{{- define "etcd-shield.webhook.selfSigned" -}}
{{- $memory := .Values.webhook.tls.selfSigned -}}
{{- if not (hasKey $memory "made") -}}
{{- $present := lookup "v1" "Secret" .Release.Namespace (include "etcd-shield.webhook.secret" .) -}}
{{- $data := ($present | default dict).data | default dict -}}
{{- if and (get $data "ca.crt") (get $data "tls.crt") (get $data "tls.key") -}}
{{- $_ := set $memory "made" (pick $data "ca.crt" "tls.crt" "tls.key") -}}
{{- else -}}
{{- $service := include "etcd-shield.admitter.name" . -}}
{{- $names := list (printf "%s.%s.svc" $service .Release.Namespace) (printf "%s.%s" $service .Release.Namespace) $service (printf "%s.%s.svc.cluster.local" $service .Release.Namespace) -}}
{{- $days := int $memory.validityDays -}}
{{- $ca := genCA (printf "%s-ca" (include "etcd-shield.fullname" .)) $days -}}
{{- $leaf := genSignedCert (first $names) nil $names $days $ca -}}
{{- $_ := set $memory "made" (dict "ca.crt" ($ca.Cert | b64enc) "tls.crt" ($leaf.Cert | b64enc) "tls.key" ($leaf.Key | b64enc)) -}}
{{- end -}}
{{- end -}}
{{- toJson $memory.made -}}
{{- end -}}

{{/* Where the CA is injected from, as annotations; empty when the chart knows it. */}}
{{- define "etcd-shield.webhook.injection" -}}
{{- if eq .Values.webhook.tls.mode "certManager" -}}
cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "etcd-shield.admitter.name" . }}
{{- else if eq .Values.webhook.tls.mode "openshiftServiceCA" -}}
service.beta.openshift.io/inject-cabundle: "true"
{{- end -}}
{{- end -}}
