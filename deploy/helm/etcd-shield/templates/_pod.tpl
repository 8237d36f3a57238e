{{/* What the pods of both services share. Each takes (dict "root" $ "component" "evaluator" or "admitter"). */}}

{{/* The restricted Pod Security Standard. The user id is the image's, on OpenShift the namespace's. */}}
{{- define "etcd-shield.podSecurityContext" -}}
{{- $own := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- toYaml (mergeOverwrite $own (deepCopy (get .root.Values .component).podSecurityContext)) -}}
{{- end -}}

{{- define "etcd-shield.securityContext" -}}
{{- $own := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- toYaml (mergeOverwrite $own (deepCopy (get .root.Values .component).securityContext)) -}}
{{- end -}}

{{- define "etcd-shield.podMetadata" -}}
{{- $values := get .root.Values .component -}}
labels:
  {{- include "etcd-shield.labels" . | nindent 2 }}
  {{- with $values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ .component }}
  # The services re-read their file, so a change of it does not restart them; of what they need once it does.
  checksum/restart: {{ include "etcd-shield.restart" . | sha256sum }}
  {{- with $values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The parts of a configuration file that a running service does not take over (`needing_restart` in its reload module). */}}
{{- define "etcd-shield.restart" -}}
{{- $config := include (printf "etcd-shield.%s.config" .component) .root | fromYaml -}}
{{- toYaml (pick $config "cluster" "listen" "max_connections" "metrics" "redis" "startup_grace" "tls") -}}
{{- $config.log.format -}}
{{- end -}}

{{- define "etcd-shield.scheduling" -}}
{{- $values := get .root.Values .component -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "etcd-shield.env" -}}
{{- $external := .root.Values.externalRedis -}}
{{- if and (not .root.Values.redis.enabled) $external.urlSecret.name }}
- name: SHIELD_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ $external.urlSecret.name }}
      key: {{ get $external.urlSecret (printf "%sKey" .component) }}
{{- end }}
{{- with (get .root.Values .component).extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "etcd-shield.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 1
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 3
  timeoutSeconds: 2
  failureThreshold: 2
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
    name: {{ include (printf "etcd-shield.%s.name" .component) .root }}
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
    name: {{ include "etcd-shield.redis.authSecret" .root }}
    items: [{key: {{ .component }}-password, path: password}]
{{- else -}}
{{- with .root.Values.externalRedis -}}
{{- with .auth.secretName }}
- secret:
    name: {{ . }}
    items: [{key: {{ get $.root.Values.externalRedis.auth (printf "%sPasswordKey" $.component) }}, path: password}]
{{- end }}
{{- with .tls.caSecretName }}
- secret:
    name: {{ . }}
    items: [{key: {{ $.root.Values.externalRedis.tls.caKey }}, path: ca.crt}]
{{- end }}
{{- with .tls.clientSecretName }}
- secret:
    name: {{ . }}
    items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]
{{- end }}
{{- with .sentinel.passwordSecretName }}
- secret:
    name: {{ . }}
    items: [{key: {{ $.root.Values.externalRedis.sentinel.passwordKey }}, path: sentinel-password}]
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}
