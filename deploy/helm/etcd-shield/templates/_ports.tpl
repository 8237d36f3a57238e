{{/* The ports of the admitter's pods: on the node's own network others have taken the usual ones. */}}

{{/* 10250 is a port that private control planes reach. On a node it belongs to the kubelet. */}}
{{- define "etcd-shield.admitter.port" -}}
{{- int .Values.admitter.port | default (ternary 10260 10250 .Values.admitter.hostNetwork) -}}
{{- end -}}

{{/* 9100 on a node belongs to node-exporter. */}}
{{- define "etcd-shield.admitter.metricsPort" -}}
{{- int .Values.admitter.metricsPort | default (ternary 9110 (int .Values.metrics.port) .Values.admitter.hostNetwork) -}}
{{- end -}}

{{/* etcd-shield.metricsPort (dict "root" $ "component" "evaluator"): the port of a component's pod. */}}
{{- define "etcd-shield.metricsPort" -}}
{{- if eq .component "admitter" -}}
{{- include "etcd-shield.admitter.metricsPort" .root -}}
{{- else -}}
{{- int .root.Values.metrics.port -}}
{{- end -}}
{{- end -}}
