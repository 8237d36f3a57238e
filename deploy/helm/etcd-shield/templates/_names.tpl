{{/* Names, namespace, labels, images and units. */}}

{{- define "etcd-shield.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/*
At most 40 characters, so that every suffix fits into 63. A longer name ends in a hash of the whole: two releases whose first
letters agree must not share objects.
*/}}
{{- define "etcd-shield.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $whole := printf "%s-%s" .Release.Name $name -}}
{{- if .Values.fullnameOverride -}}
{{- $whole = .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- $whole = .Release.Name -}}
{{- end -}}
{{- /* A release may be called a.b; the name of a Service may not. */}}
{{- $whole = replace "." "-" $whole -}}
{{- if gt (len $whole) 40 -}}
{{- printf "%s-%s" ($whole | trunc 31 | trimSuffix "-") (sha256sum $whole | trunc 8) -}}
{{- else -}}
{{- $whole | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "etcd-shield.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{- define "etcd-shield.evaluator.name" -}}{{ include "etcd-shield.fullname" . }}-evaluator{{- end -}}
{{- define "etcd-shield.admitter.name" -}}{{ include "etcd-shield.fullname" . }}-admitter{{- end -}}
{{- define "etcd-shield.controller.name" -}}{{ include "etcd-shield.fullname" . }}-controller{{- end -}}
{{- define "etcd-shield.redis.name" -}}{{ include "etcd-shield.fullname" . }}-redis{{- end -}}
{{- define "etcd-shield.webhook.name" -}}{{ include "etcd-shield.namespace" . }}-{{ include "etcd-shield.fullname" . }}{{- end -}}

{{- define "etcd-shield.evaluator.serviceAccount" -}}
{{- .Values.evaluator.serviceAccount.name | default (ternary (include "etcd-shield.evaluator.name" .) "default" .Values.evaluator.serviceAccount.create) -}}
{{- end -}}

{{- define "etcd-shield.admitter.serviceAccount" -}}
{{- .Values.admitter.serviceAccount.name | default (ternary (include "etcd-shield.admitter.name" .) "default" .Values.admitter.serviceAccount.create) -}}
{{- end -}}

{{- define "etcd-shield.controller.serviceAccount" -}}
{{- .Values.controller.serviceAccount.name | default (ternary (include "etcd-shield.controller.name" .) "default" .Values.controller.serviceAccount.create) -}}
{{- end -}}

{{/* etcd-shield.selector (dict "root" $ "component" "admitter"): selects pods; it can never change. */}}
{{- define "etcd-shield.selector" -}}
app.kubernetes.io/name: {{ include "etcd-shield.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/*
etcd-shield.labels (dict "root" $ "component" "admitter" ["labels" …]): of every object and pod. The chart's own win, then
the object's, then commonLabels; merging keeps every key single.
*/}}
{{- define "etcd-shield.labels" -}}
{{- $own := include "etcd-shield.selector" . | fromYaml -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- $_ := set $own "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "etcd-shield" -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- toYaml (merge $own (.labels | default dict) (.root.Values.commonLabels | default dict)) -}}
{{- end -}}

{{/* etcd-shield.metadata (dict "root" $ "component" "admitter" "name" … ["annotations" …] ["labels" …] ["clusterScoped" true]) */}}
{{- define "etcd-shield.metadata" -}}
name: {{ .name | quote }}
{{- if not .clusterScoped }}
namespace: {{ .namespace | default (include "etcd-shield.namespace" .root) | quote }}
{{- end }}
labels:
  {{- include "etcd-shield.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) (.root.Values.commonAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
etcd-shield.image (dict "root" $ "image" .Values.admitter.image): the registry of all images goes before the image's own. A
repository that names a registry itself is used as it is.
*/}}
{{- define "etcd-shield.image" -}}
{{- $global := .root.Values.global | default dict -}}
{{- $registry := $global.imageRegistry | default .root.Values.image.registry | default .image.registry -}}
{{- if and $registry (not (include "etcd-shield.hasRegistry" .image.repository)) -}}
{{- trimSuffix "/" $registry }}/
{{- end -}}
{{- .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* etcd-shield.hasRegistry "quay.io/a/b": non-empty when the first part is a host (it has a dot or port, or is localhost). */}}
{{- define "etcd-shield.hasRegistry" -}}
{{- if contains "/" . -}}
{{- $first := splitList "/" . | first -}}
{{- if or (contains "." $first) (contains ":" $first) (eq $first "localhost") -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* Secrets of the registry, as `name:` entries: the parent chart's and this chart's. A parent may list plain names. */}}
{{- define "etcd-shield.imagePullSecrets" -}}
{{- $names := list -}}
{{- range concat ((.Values.global | default dict).imagePullSecrets | default list) (.Values.imagePullSecrets | default list) -}}
{{- if kindIs "map" . -}}
{{- $names = append $names .name -}}
{{- else -}}
{{- $names = append $names . -}}
{{- end -}}
{{- end -}}
{{- range uniq (compact $names) }}
- name: {{ . | quote }}
{{- end -}}
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

{{/* etcd-shield.bytes "64Mi": a number of bytes, or a size with the suffix of Kubernetes (64Mi, 64M) or of Redis (64mb). */}}
{{- define "etcd-shield.bytes" -}}
{{- if or (kindIs "float64" .) (kindIs "int64" .) (kindIs "int" .) -}}
{{- int64 . -}}
{{- else -}}
{{- $factors := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "KiB" 1024 "MiB" 1048576 "GiB" 1073741824 "kb" 1024 "mb" 1048576 "gb" 1073741824 "m" 0.001 -}}
{{- $number := regexFind "^[0-9]+(\\.[0-9]+)?([eE][0-9]+)?" (toString .) -}}
{{- int64 (mulf (float64 $number) (get $factors (trimPrefix $number (toString .)) | default 0)) -}}
{{- end -}}
{{- end -}}

{{/* etcd-shield.quantity: a Kubernetes quantity; a plain number in full, not as 1.073741824e+09. */}}
{{- define "etcd-shield.quantity" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ int64 . }}{{ end -}}
{{- end -}}
