{{/* The services' configuration files: `config` of the values, and the settings that the chart knows itself. */}}

{{- define "etcd-shield.evaluator.config" -}}
{{- $config := deepCopy .Values.evaluator.config -}}
{{- $_ := set $config "cluster" .Values.cluster -}}
{{- $_ := set $config "metrics" (dict "listen" (printf ":%s" (include "etcd-shield.metricsPort" (dict "root" . "component" "evaluator")))) -}}
{{- $_ := set $config "redis" (include "etcd-shield.redis.config" (dict "root" . "component" "evaluator") | fromYaml) -}}
{{- if .Values.hold.enabled -}}
{{- $_ := set $config "hold" (dict "enabled" true "max_runs" (int .Values.hold.maxRuns)) -}}
{{- end -}}
{{- if .Values.openshift.monitoring.enabled -}}
{{- $_ := set $config.prometheus "urls" .Values.openshift.monitoring.urls -}}
{{- $_ := set $config.prometheus "bearer_token_file" "/var/run/etcd-shield/openshift/token" -}}
{{- $_ := set $config.prometheus "ca_file" "/var/run/etcd-shield/openshift/service-ca.crt" -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- define "etcd-shield.admitter.config" -}}
{{- $config := deepCopy .Values.admitter.config -}}
{{- $_ := set $config "cluster" .Values.cluster -}}
{{- $_ := set $config "listen" (printf ":%s" (include "etcd-shield.admitter.port" .)) -}}
{{- $_ := set $config "metrics" (dict "listen" (printf ":%s" (include "etcd-shield.metricsPort" (dict "root" . "component" "admitter")))) -}}
{{- $_ := set $config "redis" (include "etcd-shield.redis.config" (dict "root" . "component" "admitter") | fromYaml) -}}
{{- $_ := set $config "default_tier" .Values.evaluator.config.default_tier -}}
{{- $_ := set $config "operations" .Values.webhook.operations -}}
{{- if .Values.hold.enabled -}}
{{- $users := list -}}
{{- range list (include "etcd-shield.controller.serviceAccount" .) (include "etcd-shield.hold.releaseName" .) -}}
{{- $users = append $users (printf "system:serviceaccount:%s:%s" (include "etcd-shield.namespace" $) .) -}}
{{- end -}}
{{- $_ := set $config "hold" (dict "enabled" true "controllers" $users) -}}
{{- end -}}
{{- $tls := dict "cert_file" "/var/run/etcd-shield/tls/tls.crt" "key_file" "/var/run/etcd-shield/tls/tls.key" -}}
{{- with .Values.webhook.clientCertificates -}}
{{- if .caConfigMap -}}
{{- $_ := set $tls "client_ca_file" (printf "/var/run/etcd-shield/client-ca/%s" .caKey) -}}
{{- if .names -}}
{{- $_ := set $tls "client_names" .names -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set $config "tls" $tls -}}
{{- toYaml $config -}}
{{- end -}}

{{- define "etcd-shield.controller.config" -}}
{{- $config := deepCopy .Values.controller.config -}}
{{- $_ := set $config "cluster" .Values.cluster -}}
{{- $_ := set $config "metrics" (dict "listen" (printf ":%s" (include "etcd-shield.metricsPort" (dict "root" . "component" "controller")))) -}}
{{- $_ := set $config "redis" (include "etcd-shield.redis.config" (dict "root" . "component" "controller") | fromYaml) -}}
{{- $_ := set $config "hold" (dict "enabled" .Values.hold.enabled "max_age" .Values.hold.maxAge "on_max_age" .Values.hold.onMaxAge) -}}
{{- $_ := set $config "release" (dict "max_rate" .Values.release.maxRate) -}}
{{- $_ := set $config "kueue" (dict "cluster_queues" .Values.kueue.clusterQueues) -}}
{{- $publish := dict "kubernetes" (not (empty (include "etcd-shield.publish.object" .))) "namespace" (include "etcd-shield.namespace" .) "decision" .Values.publish.decision -}}
{{- with .Values.publish.configMap -}}
{{- $_ := set $publish "config_map" . -}}
{{- end -}}
{{- $_ := set $config "publish" $publish -}}
{{- $_ := set $config "freshness" (pick .Values.admitter.config.freshness "stale_after" "expired_after") -}}
{{- $election := dict "enabled" (gt (int .Values.controller.replicas) 1) "namespace" (include "etcd-shield.namespace" .) "name" (include "etcd-shield.controller.name" .) -}}
{{- $_ := set $config "leader_election" $election -}}
{{- with .Values.evaluator.config.status_url -}}
{{- $_ := set $config "status_url" . -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* etcd-shield.redis.config (dict "root" $ "component" "evaluator"): the `redis` section of either file. */}}
{{- define "etcd-shield.redis.config" -}}
{{- $redis := dict -}}
{{- if .root.Values.redis.enabled -}}
{{- $_ := set $redis "url" (printf "redis://%s.%s.svc:6379/0" (include "etcd-shield.redis.name" .root) (include "etcd-shield.namespace" .root)) -}}
{{- $_ := set $redis "username" .component -}}
{{- $_ := set $redis "password_file" "/var/run/etcd-shield/redis/password" -}}
{{- else -}}
{{- with .root.Values.externalRedis -}}
{{- if .url -}}
{{- $_ := set $redis "url" .url -}}
{{- end -}}
{{- if .auth.secretName -}}
{{- with get .auth (printf "%sUsername" $.component) -}}
{{- $_ := set $redis "username" . -}}
{{- end -}}
{{- $_ := set $redis "password_file" "/var/run/etcd-shield/redis/password" -}}
{{- end -}}
{{- if .tls.caSecretName -}}
{{- $_ := set $redis "ca_file" "/var/run/etcd-shield/redis/ca.crt" -}}
{{- end -}}
{{- if .tls.clientSecretName -}}
{{- $_ := set $redis "cert_file" "/var/run/etcd-shield/redis/tls.crt" -}}
{{- $_ := set $redis "key_file" "/var/run/etcd-shield/redis/tls.key" -}}
{{- end -}}
{{- if .sentinel.master -}}
{{- $sentinel := dict "master" .sentinel.master "addresses" .sentinel.addresses -}}
{{- if .sentinel.passwordSecretName -}}
{{- $_ := set $sentinel "password_file" "/var/run/etcd-shield/redis/sentinel-password" -}}
{{- end -}}
{{- with .sentinel.username -}}
{{- $_ := set $sentinel "username" . -}}
{{- end -}}
{{- $_ := set $redis "sentinel" $sentinel -}}
{{- end -}}
{{- if .cluster -}}
{{- $_ := set $redis "cluster" true -}}
{{- end -}}
{{- $_ := set $redis "timeout" .timeout -}}
{{- if .allowEviction -}}
{{- $_ := set $redis "allow_eviction" true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $redis -}}
{{- end -}}
