{{/* Names, labels, images. The release's part is cut so that every suffix fits into 63 characters. */}}

{{- define "etcd-shield.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "etcd-shield.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "etcd-shield.evaluator.name" -}}{{ include "etcd-shield.fullname" . }}-evaluator{{- end -}}
{{- define "etcd-shield.admitter.name" -}}{{ include "etcd-shield.fullname" . }}-admitter{{- end -}}
{{- define "etcd-shield.redis.name" -}}{{ include "etcd-shield.fullname" . }}-redis{{- end -}}

{{- define "etcd-shield.evaluator.serviceAccount" -}}
{{- .Values.evaluator.serviceAccount.name | default (ternary (include "etcd-shield.evaluator.name" .) "default" .Values.evaluator.serviceAccount.create) -}}
{{- end -}}

{{- define "etcd-shield.admitter.serviceAccount" -}}
{{- .Values.admitter.serviceAccount.name | default (ternary (include "etcd-shield.admitter.name" .) "default" .Values.admitter.serviceAccount.create) -}}
{{- end -}}

{{/* etcd-shield.selector (dict "root" $ "component" "admitter"): what pods are found by; never changes. */}}
{{- define "etcd-shield.selector" -}}
app.kubernetes.io/name: {{ include "etcd-shield.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* etcd-shield.labels (dict "root" $ "component" "admitter"): of every object and pod. */}}
{{- define "etcd-shield.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "etcd-shield.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: etcd-shield
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* etcd-shield.metadata (dict "root" $ "component" "admitter" "name" … ["annotations" …] ["labels" …] ["clusterScoped" true]) */}}
{{- define "etcd-shield.metadata" -}}
name: {{ .name }}
{{- if not .clusterScoped }}
namespace: {{ .namespace | default .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "etcd-shield.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* etcd-shield.image (dict "root" $ "image" .Values.admitter.image) */}}
{{- define "etcd-shield.image" -}}
{{- with .root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* Non-empty on OpenShift. */}}
{{- define "etcd-shield.openshift" -}}
{{- if or (eq .Values.platform "openshift") (and (eq .Values.platform "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) -}}
true
{{- end -}}
{{- end -}}

{{/* etcd-shield.seconds "1m30s": a Go-style duration as a number. */}}
{{- define "etcd-shield.seconds" -}}
{{- $factors := dict "ns" 0.000000001 "us" 0.000001 "µs" 0.000001 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 -}}
{{- $total := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ns|us|µs|ms|s|m|h)" (toString .) -1 -}}
{{- $number := regexFind "^[0-9.]+" . -}}
{{- $total = addf $total (mulf (float64 $number) (get $factors (trimPrefix $number .))) -}}
{{- end -}}
{{- $total -}}
{{- end -}}
