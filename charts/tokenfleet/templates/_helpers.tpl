{{/* Name of every object: the release's, with the chart's where it does not hold it already. */}}
{{- define "tokenfleet.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Nothing, or the end of the command with what to write: a schema could only show its pattern. */}}
{{- define "tokenfleet.checked" -}}
{{- $durations := dict
      "prometheus.tick" .Values.prometheus.tick
      "prometheus.scrapeInterval" .Values.prometheus.scrapeInterval
      "metrics.podMonitor.interval" .Values.metrics.podMonitor.interval }}
{{- range $name, $value := $durations }}
{{- if not (regexMatch "^([0-9]{1,5}(h|m|s|ms)){1,4}$" $value) }}
{{- fail (printf "%s is %q: write a duration such as 15s or 1m30s, in whole numbers of h, m, s and ms" $name $value) }}
{{- else if not (regexMatch "[1-9]" $value) }}
{{- fail (printf "%s is %q: write a duration of more than 0, such as 15s" $name $value) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Labels that choose the operator's pods; they never change. */}}
{{- define "tokenfleet.selector" -}}
app.kubernetes.io/name: tokenfleet
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* Labels of every object. `managed-by` is Helm's here; the operator's own objects say tokenfleet. */}}
{{- define "tokenfleet.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "tokenfleet.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Labels of CustomResourceDefinitions; templates/crds.yaml says why the release is not named. */}}
{{- define "tokenfleet.crdLabels" -}}
app.kubernetes.io/name: tokenfleet
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Reference of an image: the digest, else the tag, else the chart's appVersion.
     Takes a dict of `image` and `root`. */}}
{{- define "tokenfleet.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Sources of the volume with what Prometheus wants to see: a YAML list, empty for nothing. */}}
{{- define "tokenfleet.prometheusFiles" -}}
{{- with .Values.prometheus -}}
{{- with .tokenSecretRef }}
- secret: {name: {{ .name }}, items: [{key: {{ .key }}, path: token}]}
{{- end }}
{{- with .basicAuth.passwordSecretRef }}
- secret: {name: {{ .name }}, items: [{key: {{ .key }}, path: password}]}
{{- end }}
{{- with .tls.caSecretRef }}
- secret: {name: {{ .name }}, items: [{key: {{ .key }}, path: ca.crt}]}
{{- end }}
{{- with .tls.caConfigMapRef }}
- configMap: {name: {{ .name }}, items: [{key: {{ .key }}, path: ca.crt}]}
{{- end }}
{{- with .tls.clientSecretRef.name }}
- secret:
    name: {{ . }}
    items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]
{{- end }}
{{- end }}
{{- end -}}
