{{/*
Checks of the services' own settings. A running service refuses a bad file and keeps the old one, so a `helm upgrade` would
succeed and change nothing: everything that a service refuses is refused here. tests/helm/test_same_refusals.py compares both.
*/}}

{{/* etcd-shield.checks.url (dict "url" … "path" …) */}}
{{- define "etcd-shield.checks.url" -}}
{{- $rest := trimPrefix "https://" (trimPrefix "http://" .url) -}}
{{- if or (eq $rest .url) (hasPrefix "/" $rest) (not $rest) -}}
{{- fail (printf "%s: %s has to begin with http:// or https:// and a host." .path .url) -}}
{{- end -}}
{{- end -}}

{{/* etcd-shield.checks.positive (dict "duration" "5s" "path" …); an absent duration has a default in the service. */}}
{{- define "etcd-shield.checks.positive" -}}
{{- if .duration -}}
{{- if le (include "etcd-shield.seconds" .duration | float64) 0.0 -}}
{{- fail (printf "%s must be above 0s." .path) -}}
{{- end -}}
{{- if gt (include "etcd-shield.seconds" .duration | float64) 31622400.0 -}}
{{- fail (printf "%s is longer than a year." .path) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "etcd-shield.checks.evaluator" -}}
{{- $config := .Values.evaluator.config -}}
{{- $path := "evaluator.config" -}}
{{- range $key := list "interval" "blind_after" "lease_ttl" "ttl" -}}
{{- include "etcd-shield.checks.positive" (dict "duration" (get $config $key) "path" (printf "%s.%s" $path $key)) -}}
{{- end -}}
{{- $interval := include "etcd-shield.seconds" $config.interval | float64 -}}
{{- if lt $interval 0.2 -}}
{{- fail (printf "%s.interval must be at least 200ms." $path) -}}
{{- end -}}
{{- range $key := list "lease_ttl" "ttl" -}}
{{- if lt (include "etcd-shield.seconds" (get $config $key) | float64) (mulf 2 $interval) -}}
{{- fail (printf "%s.%s must be at least twice %s.interval." $path $key $path) -}}
{{- end -}}
{{- end -}}
{{- $prometheus := $config.prometheus -}}
{{- include "etcd-shield.checks.positive" (dict "duration" $prometheus.timeout "path" (printf "%s.prometheus.timeout" $path)) -}}
{{- if gt (include "etcd-shield.seconds" ($prometheus.timeout | default "0") | float64) $interval -}}
{{- fail (printf "%s.prometheus.timeout must not be above %s.interval: a cycle waits for it." $path $path) -}}
{{- end -}}
{{- range $prometheus.urls -}}
{{- if not (regexMatch "^https?://[^/]" .) -}}
{{- fail (printf "%s.prometheus.urls: each has to begin with http:// or https:// and a host." $path) -}}
{{- end -}}
{{- if contains "@" . -}}
{{- fail (printf "%s.prometheus.urls: credentials belong into basic_auth or bearer_token_file." $path) -}}
{{- end -}}
{{- if regexMatch "[?#]" . -}}
{{- fail (printf "%s.prometheus.urls: must be base URLs, without query or fragment." $path) -}}
{{- end -}}
{{- if not (regexMatch "^https?://(\\[[0-9A-Fa-f:.%a-z]+\\]|[^][/:?#@ ]+)(:[0-9]{1,5})?(/.*)?$" .) -}}
{{- fail (printf "%s.prometheus.urls: %s is not a URL that names a host, and perhaps a port." $path .) -}}
{{- end -}}
{{- if contains ".." (regexFind "^https?://[^/]+" .) -}}
{{- fail (printf "%s.prometheus.urls: %s is not a URL that names a host." $path .) -}}
{{- end -}}
{{- end -}}
{{- if and $prometheus.basic_auth $prometheus.bearer_token_file -}}
{{- fail (printf "%s.prometheus: basic_auth and bearer_token_file exclude each other." $path) -}}
{{- end -}}
{{- if contains ":" (($prometheus.basic_auth | default dict).username | default "") -}}
{{- fail (printf "%s.prometheus.basic_auth.username must have no colon." $path) -}}
{{- end -}}
{{- range $name, $value := $prometheus.headers -}}
{{- if or (has (lower $name) (list "accept-encoding" "authorization" "content-length" "content-type" "host" "transfer-encoding")) (not (regexMatch "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" $name)) -}}
{{- fail (printf "%s.prometheus.headers: %q cannot be set." $path $name) -}}
{{- end -}}
{{- if regexMatch "[[:cntrl:]]" $value -}}
{{- fail (printf "%s.prometheus.headers.%s has control characters." $path $name) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "status_url" "runbook_url" -}}
{{- with get $config $key -}}
{{- if not (regexMatch "^https?://[^[:space:][:cntrl:]]*$" .) -}}
{{- fail (printf "%s.%s must be an http:// or https:// URL." $path $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if .Values.openshift.monitoring.enabled -}}
{{- range $key := list "bearer_token_file" "ca_file" "basic_auth" -}}
{{- if get $prometheus $key -}}
{{- fail (printf "openshift.monitoring.enabled brings its own credentials: remove %s.prometheus.%s." $path $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $names := dict -}}
{{- range $one := $config.signals -}}
{{- $signal := printf "%s.signals: %s" $path .name -}}
{{- if hasKey $names $one.name -}}
{{- fail (printf "%s.signals: two are called %s." $path $one.name) -}}
{{- end -}}
{{- $_ := set $names $one.name true -}}
{{- if eq (empty $one.query) (empty $one.alert) -}}
{{- fail (printf "%s needs either a query or an alert." $signal) -}}
{{- end -}}
{{- if and $one.query (not (regexMatch "\\S" $one.query)) -}}
{{- fail (printf "%s: query is empty." $signal) -}}
{{- end -}}
{{- range $key := list "members" "member_label" "quota" -}}
{{- if and $one.alert (get $one $key) -}}
{{- fail (printf "%s: %s goes with query, not with alert." $signal $key) -}}
{{- end -}}
{{- end -}}
{{- if and $one.quota (eq ($one.unit | default "ratio") "number") -}}
{{- fail (printf "%s: with a quota the unit is ratio." $signal) -}}
{{- end -}}
{{- if and (kindIs "string" $one.quota) (regexMatch "^ *[0-9.]+ *[A-Za-z]* *$" $one.quota) (not (regexMatch "^ *[1-9][0-9]{0,11}(Ki|Mi|Gi|KiB|MiB|GiB)? *$" $one.quota)) -}}
{{- fail (printf "%s: quota: %s is no size such as 8Gi." $signal $one.quota) -}}
{{- end -}}
{{- include "etcd-shield.checks.positive" (dict "duration" $one.blind_after "path" (printf "%s: blind_after" $signal)) -}}
{{- end -}}
{{- if not (hasKey $config.tiers $config.default_tier) -}}
{{- fail (printf "%s.default_tier: %s.tiers has no tier %s." $path $path $config.default_tier) -}}
{{- end -}}
{{- end -}}

{{- define "etcd-shield.checks.thresholds" -}}
{{- $signals := dict -}}
{{- range .Values.evaluator.config.signals -}}{{- $_ := set $signals .name . -}}{{- end -}}
{{- range $tier, $thresholds := .Values.evaluator.config.tiers -}}
{{- if empty $thresholds -}}
{{- fail (printf "evaluator.config.tiers.%s has no thresholds. To remove a tier, set it to null." $tier) -}}
{{- end -}}
{{- range $signal, $threshold := $thresholds -}}
{{- $path := printf "evaluator.config.tiers.%s.%s" $tier $signal -}}
{{- if not (hasKey $signals $signal) -}}
{{- fail (printf "%s: evaluator.config.signals has no signal of that name." $path) -}}
{{- end -}}
{{- /* `helm lint` goes on after a fail, and keeps keys that a values file removes with null. */}}
{{- include "etcd-shield.checks.threshold" (dict "path" $path "signal" (get $signals $signal | default dict) "threshold" ($threshold | default dict)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* etcd-shield.checks.threshold (dict "path" … "signal" … "threshold" …) */}}
{{- define "etcd-shield.checks.threshold" -}}
{{- $threshold := .threshold -}}
{{- $path := .path -}}
{{- $ratio := and (not .signal.alert) (eq (.signal.unit | default "ratio") "ratio") -}}
{{- range $bound := list "warn" "set" "reset" -}}
{{- if hasKey $threshold $bound -}}
{{- $value := get $threshold $bound | float64 -}}
{{- if and $ratio (gt $value 1.0) -}}
{{- fail (printf "%s: %s is above 1: write 0.9 for 90%%, or give the signal `unit: number`." $path $bound) -}}
{{- end -}}
{{- if or (lt $value 0.0) (gt $value 1e18) -}}
{{- fail (printf "%s: %s must be a number from 0 to 1e18." $path $bound) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if ne (hasKey $threshold "set") (hasKey $threshold "reset") -}}
{{- fail (printf "%s: set and reset go together." $path) -}}
{{- end -}}
{{- if and (not (hasKey $threshold "set")) (not .signal.alert) -}}
{{- fail (printf "%s: set and reset are needed." $path) -}}
{{- end -}}
{{- /* An alert reads 1 or 0. */}}
{{- $set := ternary (get $threshold "set") 1.0 (hasKey $threshold "set") | float64 -}}
{{- $reset := ternary (get $threshold "reset") 0.5 (hasKey $threshold "reset") | float64 -}}
{{- if not (lt $reset $set) -}}
{{- fail (printf "%s: reset must be below set (reset is %v, set is %v)." $path $reset $set) -}}
{{- end -}}
{{- if eq $reset 0.0 -}}
{{- fail (printf "%s: reset must be above 0: no value is below 0, so the tier would stay denied for ever." $path) -}}
{{- end -}}
{{- include "etcd-shield.checks.room" (merge (dict "set" $set) .) -}}
{{- if hasKey $threshold "warn" -}}
{{- if gt ($threshold.warn | float64) $set -}}
{{- fail (printf "%s: warn (%v) must not be above set (%v). Values merge key by key, so this may be the chart's own warn: set a lower one, or `warn: null`." $path $threshold.warn $set) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* etcd-shield.checks.room (dict "path" … "signal" … "threshold" … "set" 0.9): settings of a threshold's room. */}}
{{- define "etcd-shield.checks.room" -}}
{{- $threshold := .threshold -}}
{{- $path := .path -}}
{{- if hasKey $threshold "run_cost" -}}
{{- if or .signal.alert (eq (.signal.unit | default "ratio") "number") -}}
{{- fail (printf "%s: run_cost goes with a share of etcd's quota, not with an alert or a number. Values merge key by key, so this may be the chart's own: set `run_cost: null`." $path) -}}
{{- end -}}
{{- $cost := include "etcd-shield.bytes" $threshold.run_cost | int64 -}}
{{- if or (lt $cost 1024) (gt $cost 1073741824) -}}
{{- fail (printf "%s: run_cost must be from 1Ki to 1Gi." $path) -}}
{{- end -}}
{{- $target := ternary (get $threshold "target") (subf .set 0.02) (hasKey $threshold "target") | float64 -}}
{{- if or (le $target 0.0) (gt $target 1.0) (ge $target .set) -}}
{{- fail (printf "%s: target (%v; 0.02 below set unless given) must be above 0 and below set (%v)." $path $target .set) -}}
{{- end -}}
{{- range $key := list "grows_over" "spend" -}}
{{- include "etcd-shield.checks.positive" (dict "duration" (get $threshold $key) "path" (printf "%s: %s" $path $key)) -}}
{{- end -}}
{{- if and (hasKey $threshold "reopen") (lt (int $threshold.reopen) 2) -}}
{{- fail (printf "%s: reopen must be at least 2 runs, or the tier would flap." $path) -}}
{{- end -}}
{{- else -}}
{{- range $key := list "target" "lag" "grows_over" "spend" "reopen" -}}
{{- if hasKey $threshold $key -}}
{{- fail (printf "%s: %s needs run_cost." $path $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* etcd-shield.checks.match (dict "rule" … "path" …): a rule without a condition would match everything. */}}
{{- define "etcd-shield.checks.match" -}}
{{- if not (or .rule.namespaces .rule.users .rule.groups .rule.labels) -}}
{{- fail (printf "%s needs at least one of namespaces, users, groups, labels." .path) -}}
{{- end -}}
{{- end -}}

{{- define "etcd-shield.checks.admitter" -}}
{{- $admitter := .Values.admitter -}}
{{- $config := $admitter.config -}}
{{- $tiers := .Values.evaluator.config.tiers -}}
{{- $reached := dict .Values.evaluator.config.default_tier true -}}
{{- range $list := list "tiers" "exemptions" "retry_after" -}}
{{- range $index, $rule := get $config $list | default list -}}
{{- include "etcd-shield.checks.match" (dict "rule" $rule "path" (printf "admitter.config.%s[%d]" $list $index)) -}}
{{- end -}}
{{- end -}}
{{- range $config.tiers -}}
{{- if not (hasKey $tiers .tier) -}}
{{- fail (printf "admitter.config.tiers: evaluator.config.tiers has no tier %s." .tier) -}}
{{- end -}}
{{- $_ := set $reached .tier true -}}
{{- end -}}
{{- range $tier, $_ := $config.tier_modes -}}
{{- if not (hasKey $reached $tier) -}}
{{- fail (printf "admitter.config.tier_modes.%s: no rule of admitter.config.tiers leads to a tier of that name." $tier) -}}
{{- end -}}
{{- end -}}
{{- range $index, $rule := $config.exemptions -}}
{{- $day := $rule.expires | trunc 10 -}}
{{- $time := regexReplaceAll "([.][0-9]+)?(Z|[+-][0-9:]{5})$" ($rule.expires | trimPrefix $day | trimPrefix "T") "" -}}
{{- if or (ne (toDate "2006-01-02" $day | date "2006-01-02") $day) (not (regexMatch "^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$" $time)) -}}
{{- fail (printf "admitter.config.exemptions[%d].expires: %s is no date and time such as 2030-01-31T00:00:00Z." $index $rule.expires) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "startup_grace" "drain" -}}
{{- if gt (include "etcd-shield.seconds" (get $config $key) | float64) 31622400.0 -}}
{{- fail (printf "admitter.config.%s is longer than a year." $key) -}}
{{- end -}}
{{- end -}}
{{- include "etcd-shield.checks.positive" (dict "duration" $config.refresh "path" "admitter.config.refresh") -}}
{{- include "etcd-shield.checks.positive" (dict "duration" $config.freshness.stale_after "path" "admitter.config.freshness.stale_after") -}}
{{- include "etcd-shield.checks.positive" (dict "duration" $config.freshness.expired_after "path" "admitter.config.freshness.expired_after") -}}
{{- $stale := include "etcd-shield.seconds" $config.freshness.stale_after | float64 -}}
{{- if ge $stale (include "etcd-shield.seconds" $config.freshness.expired_after | float64) -}}
{{- fail "admitter.config.freshness.stale_after must be below expired_after." -}}
{{- end -}}
{{- if lt (include "etcd-shield.bytes" $config.max_body | int64) 65536 -}}
{{- fail "admitter.config.max_body must be at least 64Ki." -}}
{{- end -}}
{{- include "etcd-shield.checks.admitterPods" . -}}
{{- end -}}

{{- define "etcd-shield.checks.admitterPods" -}}
{{- $admitter := .Values.admitter -}}
{{- if eq (include "etcd-shield.admitter.port" .) (include "etcd-shield.admitter.metricsPort" .) -}}
{{- fail "admitter.port and the port of metrics (admitter.metricsPort, metrics.port) must differ." -}}
{{- end -}}
{{- if eq (int $admitter.service.port) (int .Values.metrics.port) -}}
{{- fail "admitter.service.port and metrics.port must differ: both are ports of one Service." -}}
{{- end -}}
{{- if and $admitter.hostNetwork (has (include "etcd-shield.admitter.port" .) (list "10250" "10255" "10256" "10248" "10249")) -}}
{{- fail "admitter.hostNetwork: the node's ports 10248 to 10256 belong to the kubelet and kube-proxy. Set another admitter.port, or 0 for 10260." -}}
{{- end -}}
{{- with $admitter.autoscaling -}}
{{- if .enabled -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail "admitter.autoscaling.minReplicas must not be above maxReplicas." -}}
{{- end -}}
{{- if not (or .targetCPUUtilizationPercentage .targetMemoryUtilizationPercentage) -}}
{{- fail "admitter.autoscaling needs targetCPUUtilizationPercentage or targetMemoryUtilizationPercentage." -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $admitter.podDisruptionBudget -}}
{{- if .enabled -}}
{{- $minimum := kindIs "invalid" .minAvailable | ternary "" (toString .minAvailable) -}}
{{- $maximum := kindIs "invalid" .maxUnavailable | ternary "" (toString .maxUnavailable) -}}
{{- if and $minimum $maximum -}}
{{- fail "admitter.podDisruptionBudget.minAvailable and maxUnavailable exclude each other: set maxUnavailable to \"\"." -}}
{{- end -}}
{{- if not (or $minimum $maximum) -}}
{{- fail "admitter.podDisruptionBudget needs minAvailable or maxUnavailable." -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with int $admitter.terminationGracePeriodSeconds -}}
{{- if le . (include "etcd-shield.admitter.shortestGrace" $ | int) -}}
{{- fail (printf "admitter.terminationGracePeriodSeconds is %d; it must be above preStopSeconds + config.drain + webhook.timeoutSeconds, which is %s." . (include "etcd-shield.admitter.shortestGrace" $)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
