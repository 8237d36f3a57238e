{{/* Where the certificate comes from. Without a cluster to look at, only cert-manager gives one that stays the same. */}}
{{- define "etcd-shield.webhook.tlsMode" -}}
{{- .Values.webhook.tls.mode | default (ternary "selfSigned" "certManager" .Values.generateSecrets) -}}
{{- end -}}

{{- define "etcd-shield.webhook.secret" -}}
{{- if eq (include "etcd-shield.webhook.tlsMode" .) "existingSecret" -}}
{{- .Values.webhook.tls.existingSecret.name -}}
{{- else -}}
{{- include "etcd-shield.admitter.name" . }}-tls
{{- end -}}
{{- end -}}

{{/* Non-empty when at least one tier is really denied: the mode is `enforce`, and not every tier has another one. */}}
{{- define "etcd-shield.webhook.enforces" -}}
{{- $config := .Values.admitter.config -}}
{{- if eq $config.mode "enforce" -}}
{{- range $tier, $_ := .Values.evaluator.config.tiers -}}
{{- if eq (get ($config.tier_modes | default dict) $tier | default "enforce") "enforce" -}}true{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Unless the user says otherwise, a shield that denies nothing must not refuse requests by being away. */}}
{{- define "etcd-shield.webhook.failurePolicy" -}}
{{- .Values.webhook.failurePolicy | default (ternary "Fail" "Ignore" (not (empty (include "etcd-shield.webhook.enforces" .)))) -}}
{{- end -}}

{{/*
The selfSigned certificate as JSON: ca.crt, tls.crt and tls.key in base64. A certificate that the cluster has is used again, so
that an upgrade changes neither certificate nor caBundle. Made once per rendering: the Secret and the webhook have to agree.
Keys are ECDSA: to find an RSA key takes helm a quarter of a second, and each handshake with it the server a millisecond of CPU.
*/}}
{{- define "etcd-shield.webhook.selfSigned" -}}
{{- $memory := .Values.webhook.tls.selfSigned -}}
{{- if not (hasKey $memory "made") -}}
{{- $namespace := include "etcd-shield.namespace" . -}}
{{- $present := lookup "v1" "Secret" $namespace (include "etcd-shield.webhook.secret" .) -}}
{{- $data := ($present | default dict).data | default dict -}}
{{- if and (get $data "ca.crt") (get $data "tls.crt") (get $data "tls.key") -}}
{{- $_ := set $memory "made" (pick $data "ca.crt" "tls.crt" "tls.key") -}}
{{- else -}}
{{- $service := include "etcd-shield.admitter.name" . -}}
{{- $names := list (printf "%s.%s.svc" $service $namespace) (printf "%s.%s" $service $namespace) $service (printf "%s.%s.svc.cluster.local" $service $namespace) -}}
{{- $days := int $memory.validityDays -}}
{{- $ca := genCAWithKey (printf "%s-ca" (include "etcd-shield.fullname" .)) $days (genPrivateKey "ecdsa") -}}
{{- $leaf := genSignedCertWithKey (first $names) nil $names $days $ca (genPrivateKey "ecdsa") -}}
{{- $_ := set $memory "made" (dict "ca.crt" ($ca.Cert | b64enc) "tls.crt" ($leaf.Cert | b64enc) "tls.key" ($leaf.Key | b64enc)) -}}
{{- end -}}
{{- end -}}
{{- toJson $memory.made -}}
{{- end -}}

{{/* Annotations that ask for the CA to be injected; empty when the chart knows it. */}}
{{- define "etcd-shield.webhook.injection" -}}
{{- $mode := include "etcd-shield.webhook.tlsMode" . -}}
{{- if eq $mode "certManager" -}}
cert-manager.io/inject-ca-from: {{ include "etcd-shield.namespace" . }}/{{ include "etcd-shield.admitter.name" . }}
{{- else if eq $mode "openshiftServiceCA" -}}
service.beta.openshift.io/inject-cabundle: "true"
{{- end -}}
{{- end -}}

{{/*
The namespace as Kubernetes knows it, or nothing where the chart is rendered without a cluster or before the namespace exists.
*/}}
{{- define "etcd-shield.webhook.namespaceUID" -}}
{{- if .Values.webhook.removal -}}
{{- ((lookup "v1" "Namespace" "" (include "etcd-shield.namespace" .) | default dict).metadata | default dict).uid | default "" -}}
{{- end -}}
{{- end -}}

{{/* Which requests are judged, in the words of a policy's matchConstraints; a webhook calls the rules `rules`. */}}
{{- define "etcd-shield.webhook.matching" -}}
matchPolicy: {{ .Values.webhook.matchPolicy }}
resourceRules:
  {{- range .Values.webhook.resources }}
  - apiGroups: {{ toJson .apiGroups }}
    apiVersions: {{ toJson .apiVersions }}
    resources: {{ toJson .resources }}
    operations: {{ toJson $.Values.webhook.operations }}
    scope: Namespaced
  {{- end }}
{{- $namespaces := .Values.webhook.namespaceSelector | default dict }}
namespaceSelector:
  matchExpressions:
    # Its own namespace must be able to start with the shield down.
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{ concat (list (include "etcd-shield.namespace" .)) .Values.webhook.excludedNamespaces | uniq | toJson }}
    {{- with $namespaces.matchExpressions }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $namespaces.matchLabels }}
  matchLabels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- with .Values.webhook.objectSelector }}
objectSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* etcd-shield.webhook.clientConfig (dict "root" $ "path" "/validate"): where the API server asks, and whom it trusts. */}}
{{- define "etcd-shield.webhook.clientConfig" -}}
{{- $path := .path -}}
{{- with .root -}}
{{- $mode := include "etcd-shield.webhook.tlsMode" . -}}
service:
  name: {{ include "etcd-shield.admitter.name" . | quote }}
  namespace: {{ include "etcd-shield.namespace" . | quote }}
  port: {{ int .Values.admitter.service.port }}
  path: {{ $path }}
{{- if eq $mode "selfSigned" }}
caBundle: {{ get (include "etcd-shield.webhook.selfSigned" . | fromJson) "ca.crt" }}
{{- else if eq $mode "existingSecret" }}
caBundle: {{ .Values.webhook.tls.existingSecret.caBundle | b64enc }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* etcd-shield.webhook.webhooks (dict "root" $ "failurePolicy" "Fail"): the list of a ValidatingWebhookConfiguration. */}}
{{- define "etcd-shield.webhook.webhooks" -}}
{{- $failurePolicy := .failurePolicy -}}
{{- with .root -}}
- name: pipelineruns.etcd-shield.dev
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: {{ $failurePolicy }}
  timeoutSeconds: {{ int .Values.webhook.timeoutSeconds }}
  clientConfig:
    {{- include "etcd-shield.webhook.clientConfig" (dict "root" . "path" .Values.webhook.path) | nindent 4 }}
  {{- include "etcd-shield.webhook.matching" . | replace "resourceRules:" "rules:" | nindent 2 }}
  {{- with .Values.webhook.matchConditions }}
  matchConditions:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}
