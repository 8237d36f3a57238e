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

{{/*
etcd-shield.policyPorts (dict "root" $ "component" "admitter" "name" "webhook" "port" 10250): a port for a NetworkPolicy, as JSON.
A policy is changed before the pods are replaced, so it also opens the port on which the present pods still listen.
*/}}
{{- define "etcd-shield.policyPorts" -}}
{{- $ports := list (int .port) -}}
{{- $deployment := lookup "apps/v1" "Deployment" (include "etcd-shield.namespace" .root) (include (printf "etcd-shield.%s.name" .component) .root) | default dict -}}
{{- range (dig "spec" "template" "spec" "containers" (list) $deployment) -}}
{{- range .ports -}}
{{- if eq .name $.name -}}
{{- $ports = append $ports (int .containerPort) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $rules := list -}}
{{- range uniq $ports -}}
{{- $rules = append $rules (dict "port" . "protocol" "TCP") -}}
{{- end -}}
{{- toJson $rules -}}
{{- end -}}
