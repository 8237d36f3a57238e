{{/* Shared by the pods of the services and Redis. Each takes (dict "root" $ "component" "evaluator"). */}}

{{/* The restricted Pod Security Standard. The user id is the image's, on OpenShift the namespace's. */}}
{{- define "etcd-shield.podSecurityContext" -}}
{{- $own := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- if and (eq .component "redis") (not (include "etcd-shield.openshift" .root)) -}}
{{- $user := int64 .root.Values.redis.runAsUser -}}
{{- $own = merge $own (dict "runAsUser" $user "runAsGroup" $user "fsGroup" $user) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $own (deepCopy ((get .root.Values .component).podSecurityContext | default dict))) -}}
{{- end -}}

{{- define "etcd-shield.securityContext" -}}
{{- $own := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- toYaml (mergeOverwrite $own (deepCopy ((get .root.Values .component).securityContext | default dict))) -}}
{{- end -}}

{{/* etcd-shield.podMetadata (… "annotations" …): the chart's own keys win over the user's. */}}
{{- define "etcd-shield.podMetadata" -}}
{{- $values := get .root.Values .component -}}
{{- $own := merge (dict "kubectl.kubernetes.io/default-container" .component) .annotations -}}
labels:
  {{- include "etcd-shield.labels" (dict "root" .root "component" .component "labels" $values.podLabels) | nindent 2 }}
annotations:
  {{- toYaml (merge $own ($values.podAnnotations | default dict)) | nindent 2 }}
{{- end -}}

{{/*
The services re-read their files, so a change does not restart them. Only settings that a running service does not take over
do (`needing_restart` in its reload module).
*/}}
{{- define "etcd-shield.restart" -}}
{{- $config := include (printf "etcd-shield.%s.config" .component) .root | fromYaml -}}
{{- if eq .component "controller" -}}
{{- toYaml (pick $config "interval" "kueue" "leader_election" "publish") }}
hold: {{ $config.hold.enabled }}
{{ end -}}
{{- toYaml (pick $config "cluster" "listen" "max_connections" "metrics" "redis" "startup_grace" "tls") -}}
{{- ($config.log | default dict).format -}}
{{- end -}}

{{/* Parts of a pod's spec that users choose. `dnsPolicy` (…) is the chart's own default. */}}
{{- define "etcd-shield.scheduling" -}}
{{- $values := get .root.Values .component -}}
{{- with include "etcd-shield.imagePullSecrets" .root }}
imagePullSecrets:
  {{- . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with $values.dnsPolicy | default .dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with $values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity | default .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.topologySpreadConstraints | default .topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.extraInitContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Keeps a standby off the node of the one that works, if that can be; empty for one replica. */}}
{{- define "etcd-shield.standbyAffinity" -}}
{{- if gt (int (get .root.Values .component).replicas) 1 -}}
{{- $labels := include "etcd-shield.selector" . | fromYaml -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" $labels) -}}
{{- toYaml (dict "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 100 "podAffinityTerm" $term)))) -}}
{{- end -}}
{{- end -}}

{{- define "etcd-shield.env" -}}
{{- $external := .root.Values.externalRedis -}}
{{- if and (not .root.Values.redis.enabled) $external.urlSecret.name }}
- name: SHIELD_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ $external.urlSecret.name | quote }}
      key: {{ get $external.urlSecret (printf "%sKey" .component) | quote }}
{{- end }}
{{- with (get .root.Values .component).extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* etcd-shield.probes (dict "root" $ "component" … "startup" … "liveness" … "readiness" …): the user's fields win one by one. */}}
{{- define "etcd-shield.probes" -}}
{{- range $kind := list "startup" "liveness" "readiness" }}
{{- $name := printf "%sProbe" $kind }}
{{ $name }}:
  {{- toYaml (mergeOverwrite (deepCopy (get $ $kind)) (deepCopy (get (get $.root.Values $.component) $name | default dict))) | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "etcd-shield.serviceProbes" -}}
{{- $live := dict "path" "/livez" "port" "metrics" -}}
{{- $ready := dict "path" "/readyz" "port" "metrics" -}}
{{- include "etcd-shield.probes" (merge (dict
  "startup" (dict "httpGet" $live "periodSeconds" 1 "failureThreshold" 30)
  "liveness" (dict "httpGet" $live "periodSeconds" 10 "timeoutSeconds" 3 "failureThreshold" 3)
  "readiness" (dict "httpGet" $ready "periodSeconds" 3 "timeoutSeconds" 2 "failureThreshold" 2)
) .) -}}
{{- end -}}

{{- define "etcd-shield.mounts" -}}
- name: config
  mountPath: /etc/etcd-shield
  readOnly: true
{{- if include "etcd-shield.redis.files" . }}
- name: redis
  mountPath: /var/run/etcd-shield/redis
  readOnly: true
{{- end }}
{{- with (get .root.Values .component).extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "etcd-shield.volumes" -}}
- name: config
  configMap:
    name: {{ include (printf "etcd-shield.%s.name" .component) .root | quote }}
{{- with include "etcd-shield.redis.files" . }}
- name: redis
  projected:
    defaultMode: 0444
    sources:
      {{- . | nindent 6 }}
{{- end }}
{{- with (get .root.Values .component).extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Passwords and certificates for Redis, one directory; empty when there are none. */}}
{{- define "etcd-shield.redis.files" -}}
{{- if .root.Values.redis.enabled -}}
- secret:
    name: {{ include "etcd-shield.redis.authSecret" .root | quote }}
    items: [{key: {{ .component }}-password, path: password}]
{{- else -}}
{{- with .root.Values.externalRedis -}}
{{- with .auth.secretName }}
- secret:
    name: {{ . | quote }}
    items: [{key: {{ get $.root.Values.externalRedis.auth (printf "%sPasswordKey" $.component) | quote }}, path: password}]
{{- end }}
{{- with .tls.caSecretName }}
- secret:
    name: {{ . | quote }}
    items: [{key: {{ $.root.Values.externalRedis.tls.caKey | quote }}, path: ca.crt}]
{{- end }}
{{- with .tls.clientSecretName }}
- secret:
    name: {{ . | quote }}
    items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]
{{- end }}
{{- with .sentinel.passwordSecretName }}
- secret:
    name: {{ . | quote }}
    items: [{key: {{ $.root.Values.externalRedis.sentinel.passwordKey | quote }}, path: sentinel-password}]
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}
