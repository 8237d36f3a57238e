{{/* Checks of missing values, names, images, Redis, the webhook and metrics. */}}

{{/* files/required-values.json is written by `make chart` from values.yaml. */}}
{{- define "etcd-shield.checks.missing" -}}
{{- $root := . -}}
{{- range $path, $default := .Files.Get "files/required-values.json" | fromJson -}}
{{- $value := $root.Values -}}
{{- range $key := splitList "." $path -}}
{{- if kindIs "map" $value -}}
{{- $value = get $value $key -}}
{{- end -}}
{{- end -}}
{{- if and (kindIs "string" $value) (not $value) -}}
{{- $hint := ternary (printf " for the default, %s," $default) "" (not (empty $default)) -}}
{{- fail (printf "%s is missing or null. Leave it out%s or set it. After `helm upgrade --reuse-values` from an older chart, use --reset-then-reuse-values." $path $hint) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "etcd-shield.checks.names" -}}
{{- $fullname := include "etcd-shield.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $fullname) -}}
{{- fail (printf "Services would be called %s-…, but the name of a Service begins with a letter and has only lower-case letters, digits and dashes: set fullnameOverride." $fullname) -}}
{{- end -}}
{{- end -}}

{{- define "etcd-shield.checks.images" -}}
{{- range $component := append (include "etcd-shield.services" . | fromJsonArray) "redis" -}}
{{- $image := (get $.Values $component).image -}}
{{- if or (ne $component "redis") $.Values.redis.enabled -}}
{{- $name := include "etcd-shield.image" (dict "root" $ "image" $image) -}}
{{- if and (ne $image.pullPolicy "Never") (not (include "etcd-shield.hasRegistry" $name)) -}}
{{- fail (printf "%s.image: %s names no registry, so nodes would look for it on Docker Hub. Set image.registry or %s.image.registry (docker.io/OWNER for Docker Hub), or %s.image.pullPolicy=Never if the image is on every node already." $component $name $component $component) -}}
{{- end -}}
{{- /* The grammar of github.com/distribution/reference. With another reference no pod starts. */}}
{{- if not (regexMatch "^((\\[[0-9A-Fa-f:]+\\]|[A-Za-z0-9.-]+)(:[0-9]+)?/)?[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$" $name) -}}
{{- fail (printf "%s.image: %s is no image that a node could pull. A registry is HOST or HOST/PATH without https://, a repository has no tag (set %s.image.tag or digest), and a tag has only letters, digits, dots, dashes and underscores." $component $name $component) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.redis.enabled (not .Values.redis.image.tag) (not .Values.redis.image.digest) -}}
{{- fail "redis.image.tag and redis.image.digest are empty: set one, the chart's appVersion is no version of Redis." -}}
{{- end -}}
{{- end -}}

{{- define "etcd-shield.checks.redis" -}}
{{- $redis := .Values.redis -}}
{{- $external := .Values.externalRedis -}}
{{- if $redis.enabled -}}
{{- if or $external.url $external.urlSecret.name -}}
{{- fail "redis.enabled and externalRedis exclude each other: set redis.enabled=false to use externalRedis." -}}
{{- end -}}
{{- $limit := (($redis.resources | default dict).limits | default dict).memory -}}
{{- if $limit -}}
{{- $most := divf (mulf (include "etcd-shield.bytes" $limit | float64) 3) 4 -}}
{{- if gt (include "etcd-shield.bytes" $redis.maxmemory | float64) $most -}}
{{- fail (printf "redis.maxmemory (%s) is above three quarters of redis.resources.limits.memory (%s): the kernel would kill Redis before it refuses writes." (include "etcd-shield.quantity" $redis.maxmemory) (include "etcd-shield.quantity" $limit)) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- if not (or $external.url $external.urlSecret.name) -}}
{{- fail "redis.enabled is false: set externalRedis.url or externalRedis.urlSecret.name." -}}
{{- end -}}
{{- if and $external.url $external.urlSecret.name -}}
{{- fail "externalRedis.url and externalRedis.urlSecret.name exclude each other." -}}
{{- end -}}
{{- if and $external.sentinel.master $external.cluster -}}
{{- fail "externalRedis.sentinel.master and externalRedis.cluster exclude each other." -}}
{{- end -}}
{{- if ne (empty $external.sentinel.master) (empty $external.sentinel.addresses) -}}
{{- fail "externalRedis.sentinel.master and externalRedis.sentinel.addresses go together." -}}
{{- end -}}
{{- if and $external.sentinel.passwordSecretName (not $external.sentinel.master) -}}
{{- fail "externalRedis.sentinel.passwordSecretName needs externalRedis.sentinel.master." -}}
{{- end -}}
{{- if and $external.sentinel.username (not $external.sentinel.passwordSecretName) -}}
{{- fail "externalRedis.sentinel.username needs externalRedis.sentinel.passwordSecretName." -}}
{{- end -}}
{{- if and $external.url (or $external.tls.caSecretName $external.tls.clientSecretName) (not (hasPrefix "rediss://" $external.url)) -}}
{{- fail "externalRedis.tls needs a rediss:// URL in externalRedis.url." -}}
{{- end -}}
{{- if and $external.url (not (regexMatch "^rediss?://[^/?#]+(/[0-9]{0,5})?$" $external.url)) -}}
{{- fail "externalRedis.url: after the host may follow a database number, such as /0, and nothing else." -}}
{{- end -}}
{{- if and (or $external.auth.evaluatorUsername $external.auth.admitterUsername $external.auth.controllerUsername) (not $external.auth.secretName) -}}
{{- fail "externalRedis.auth.evaluatorUsername, admitterUsername and controllerUsername need externalRedis.auth.secretName with their passwords." -}}
{{- end -}}
{{- $timeout := include "etcd-shield.seconds" $external.timeout | float64 -}}
{{- if or (le $timeout 0.0) (gt $timeout 2.0) -}}
{{- fail "externalRedis.timeout must be above 0s and at most 2s." -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "etcd-shield.checks.webhook" -}}
{{- $tls := .Values.webhook.tls -}}
{{- $mode := include "etcd-shield.webhook.tlsMode" . -}}
{{- if and (eq $mode "selfSigned") (not .Values.generateSecrets) -}}
{{- fail "generateSecrets is false, but webhook.tls.mode is selfSigned, which makes a certificate: use certManager, openshiftServiceCA or existingSecret." -}}
{{- end -}}
{{- if eq $mode "existingSecret" -}}
{{- if not $tls.existingSecret.name -}}
{{- fail "webhook.tls.mode is existingSecret: set webhook.tls.existingSecret.name." -}}
{{- end -}}
{{- if and .Values.webhook.enabled (not $tls.existingSecret.caBundle) -}}
{{- fail "webhook.tls.mode is existingSecret: set webhook.tls.existingSecret.caBundle, or the API server cannot check the certificate." -}}
{{- end -}}
{{- else if or $tls.existingSecret.name $tls.existingSecret.caBundle -}}
{{- fail (printf "webhook.tls.existingSecret is set, but webhook.tls.mode is %s." $mode) -}}
{{- end -}}
{{- if and $tls.certManager.issuerRef.name (ne $mode "certManager") -}}
{{- fail (printf "webhook.tls.certManager.issuerRef.name is set, but webhook.tls.mode is %s." $mode) -}}
{{- end -}}
{{- if le (include "etcd-shield.seconds" $tls.certManager.duration | float64) (include "etcd-shield.seconds" $tls.certManager.renewBefore | float64) -}}
{{- fail "webhook.tls.certManager.renewBefore must be shorter than duration." -}}
{{- end -}}
{{- if and .Values.webhook.clientCertificates.names (not .Values.webhook.clientCertificates.caConfigMap) -}}
{{- fail "webhook.clientCertificates.names needs webhook.clientCertificates.caConfigMap." -}}
{{- end -}}
{{- if not .Values.webhook.operations -}}
{{- fail "webhook.operations is empty: name at least CREATE, or set webhook.enabled=false." -}}
{{- end -}}
{{- if not .Values.webhook.resources -}}
{{- fail "webhook.resources is empty: name what the API server asks about, or set webhook.enabled=false." -}}
{{- end -}}
{{- end -}}

{{- define "etcd-shield.checks.metrics" -}}
{{- $dashboards := .Values.dashboards -}}
{{- if and $dashboards.enabled (eq (get ($dashboards.labels | default dict) "console.openshift.io/dashboard") "true") (ne $dashboards.variant "openshift-console") -}}
{{- fail "dashboards.labels asks for OpenShift's console, which cannot show Grafana's panels: set dashboards.variant=openshift-console." -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor.enabled and metrics.podMonitor.enabled would scrape everything twice: choose one." -}}
{{- end -}}
{{- $alerts := list -}}
{{- range (.Files.Get "files/alerts.yaml" | fromYaml).groups -}}
{{- range .rules -}}
{{- if .alert -}}
{{- $alerts = append $alerts .alert -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.alerts.disabled -}}
{{- if not (has . $alerts) -}}
{{- fail (printf "alerts.disabled: there is no alert %s. The alerts are %s." . (sortAlpha $alerts | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
