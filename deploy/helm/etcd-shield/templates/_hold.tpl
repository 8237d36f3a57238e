{{/*
Holding: the mutating webhook that makes a run wait, and the job that releases what waits.
*/}}

{{/* Configurations are called in the order of their names: after others, so that the run is seen as they leave it. */}}
{{- define "etcd-shield.hold.name" -}}zz-{{ include "etcd-shield.webhook.name" . }}-hold{{- end -}}

{{- define "etcd-shield.hold.releaseName" -}}{{ include "etcd-shield.fullname" . }}-release{{- end -}}

{{/* Non-empty where runs are held: the API server asks, and a request can be refused. */}}
{{- define "etcd-shield.hold.needed" -}}
{{- if and .Values.hold.enabled .Values.webhook.enabled (include "etcd-shield.admitter.needed" .) -}}true{{- end -}}
{{- end -}}

{{/*
Non-empty when the release as the cluster has it makes runs wait, and these values do not any more: it held runs, or stopped a
queue of Kueue that is not in the list now.
*/}}
{{- define "etcd-shield.hold.switchedOff" -}}
{{- $file := lookup "v1" "ConfigMap" (include "etcd-shield.namespace" .) (include "etcd-shield.controller.name" .) | default dict -}}
{{- $old := (dig "data" "controller.yaml" "{}" $file) | fromYaml -}}
{{- if not (include "etcd-shield.hold.needed" .) -}}
{{- if dig "hold" "enabled" false $old -}}true{{- end -}}
{{- range dig "kueue" "cluster_queues" (list) $old -}}
{{- if not (has . $.Values.kueue.clusterQueues) -}}true{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The list of the MutatingWebhookConfiguration. */}}
{{- define "etcd-shield.hold.webhooks" -}}
{{- $root := . -}}
{{- range $name, $operation := dict "hold" "CREATE" "start" "UPDATE" }}
- name: {{ $name }}.etcd-shield.dev
  admissionReviewVersions: [v1]
  # A held run takes a slot, and an admitted one is counted; a dry run does neither.
  sideEffects: NoneOnDryRun
  # Without an admitter nothing is held. Whether it is admitted is up to the validating webhook.
  failurePolicy: Ignore
  # When a later webhook changes the run so that it would start, it is asked about again.
  reinvocationPolicy: IfNeeded
  timeoutSeconds: {{ int $root.Values.webhook.timeoutSeconds }}
  clientConfig:
    {{- include "etcd-shield.webhook.clientConfig" (dict "root" $root "path" "/mutate") | nindent 4 }}
  {{- /* Only runs can be held, and which of their versions a client uses is its own choice. */}}
  matchPolicy: Equivalent
  rules:
    - apiGroups: [tekton.dev]
      apiVersions: [v1, v1beta1]
      resources: [pipelineruns]
      operations: [{{ $operation }}]
      scope: Namespaced
  {{- $matching := include "etcd-shield.webhook.matching" $root | fromYaml }}
  {{- pick $matching "namespaceSelector" "objectSelector" | toYaml | nindent 2 }}
  matchConditions:
    {{- if eq $operation "CREATE" }}
    - name: would-start
      expression: "!has(object.spec) || !has(object.spec.status) || object.spec.status == ''"
    # What a run that is admitted already creates must go on: holding it would stop that run halfway.
    - name: not-of-a-run
      expression: "!has(object.metadata.ownerReferences) || !object.metadata.ownerReferences.exists(owner, owner.kind in ['PipelineRun', 'CustomRun'])"
    {{- else }}
    # The controller's own updates too: admitters count them.
    - name: starts
      expression: "has(oldObject.spec) && has(oldObject.spec.status) && oldObject.spec.status == 'PipelineRunPending' && (!has(object.spec) || !has(object.spec.status) || object.spec.status == '')"
    {{- end }}
    # Kueue queues these itself.
    - name: not-kueue
      expression: >-
        !(has(object.metadata.labels) && 'kueue.x-k8s.io/queue-name' in object.metadata.labels) &&
        !(has(object.metadata.annotations) && 'kueue.x-k8s.io/queue-name' in object.metadata.annotations)
    {{- with $root.Values.webhook.matchConditions }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end -}}

{{/*
etcd-shield.hold.release (dict "root" $ "hook" "pre-delete"): the objects that release every held run, and start Kueue's queues
again, as hooks. Without them runs would wait for ever for a controller that is gone.
*/}}
{{- define "etcd-shield.hold.release" -}}
{{- $name := include "etcd-shield.hold.releaseName" .root -}}
{{- $hook := .hook -}}
{{- with .root -}}
{{- $clusterName := printf "%s-%s" (include "etcd-shield.namespace" .) $name -}}
{{- $scope := dict "root" . "component" "release" -}}
{{- $first := dict "helm.sh/hook" $hook "helm.sh/hook-weight" "-6" "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded" -}}
{{- $second := merge (dict "helm.sh/hook-weight" "-5") $first -}}
{{- /* A job that failed stays to be looked at, and tells the next upgrade that something may still be held. */}}
{{- $third := merge (dict "helm.sh/hook-weight" "-4") $first -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "etcd-shield.metadata" (merge (dict "name" $name "annotations" $first) $scope) | nindent 2 }}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  {{- include "etcd-shield.metadata" (merge (dict "name" $clusterName "clusterScoped" true "annotations" $first) $scope) | nindent 2 }}
rules:
  - apiGroups: [tekton.dev]
    resources: [pipelineruns]
    verbs: [get, list, watch, patch]
  - apiGroups: [events.k8s.io]
    resources: [events]
    verbs: [create]
  # Those that the controller stopped, also when they are not in the values any more.
  - apiGroups: [kueue.x-k8s.io]
    resources: [clusterqueues]
    verbs: [get, list, patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  {{- include "etcd-shield.metadata" (merge (dict "name" $clusterName "clusterScoped" true "annotations" $second) $scope) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $clusterName | quote }}
subjects:
  - kind: ServiceAccount
    name: {{ $name | quote }}
    namespace: {{ include "etcd-shield.namespace" . | quote }}
---
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "etcd-shield.metadata" (merge (dict "name" $name "annotations" $third) $scope) | nindent 2 }}
spec:
  # Below the five minutes that helm waits by default: a job that cannot run ends the command, and does not block it for ever.
  activeDeadlineSeconds: 240
  backoffLimit: 3
  template:
    metadata:
      labels:
        {{- include "etcd-shield.labels" (merge (dict "labels" .Values.controller.podLabels) $scope) | nindent 8 }}
      {{- with .Values.controller.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      restartPolicy: Never
      serviceAccountName: {{ $name | quote }}
      automountServiceAccountToken: true
      enableServiceLinks: false
      securityContext:
        {{- include "etcd-shield.podSecurityContext" (dict "root" . "component" "controller") | nindent 8 }}
      {{- with include "etcd-shield.imagePullSecrets" . }}
      imagePullSecrets:
        {{- . | nindent 8 }}
      {{- end }}
      {{- range $key := list "nodeSelector" "tolerations" }}
      {{- with get $.root.Values.controller $key }}
      {{ $key }}:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      containers:
        - name: release
          image: {{ include "etcd-shield.image" (dict "root" . "image" .Values.controller.image) | quote }}
          imagePullPolicy: {{ .Values.controller.image.pullPolicy }}
          # Needs neither Redis nor a configuration file.
          command: [shield-controller, release, --all]
          {{- with .Values.controller.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          securityContext:
            {{- include "etcd-shield.securityContext" (dict "root" . "component" "controller") | nindent 12 }}
{{- end -}}
{{- end -}}
