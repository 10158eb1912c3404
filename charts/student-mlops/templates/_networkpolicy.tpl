{{/* Rules of NetworkPolicies. Ports are those of the pods. */}}

{{/* Pods of some components; call with (list $ "component" ...). */}}
{{- define "student-mlops.pods" -}}
{{- $root := first . -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ $root.Chart.Name }}
      app.kubernetes.io/instance: {{ $root.Release.Name }}
    matchExpressions:
      - {key: app.kubernetes.io/component, operator: In, values: [{{ rest . | join ", " }}]}
{{- end }}

{{/* An ingress rule; call with (list $ port "component" ...). */}}
{{- define "student-mlops.from" -}}
- from:
    {{- include "student-mlops.pods" (concat (list (first .)) (slice . 2)) | nindent 4 }}
  ports:
    - {port: {{ index . 1 }}, protocol: TCP}
{{- end }}

{{/* An egress rule; call with (list $ port "component" ...). */}}
{{- define "student-mlops.to" -}}
- to:
    {{- include "student-mlops.pods" (concat (list (first .)) (slice . 2)) | nindent 4 }}
  ports:
    - {port: {{ index . 1 }}, protocol: TCP}
{{- end }}

{{/* The ingress rule of a web page, if it needs one; call with (list $ service ports). */}}
{{- define "student-mlops.page" -}}
{{- $root := first . -}}
{{- $open := ne (index . 1).type "ClusterIP" -}}
{{- if or $open $root.Values.networkPolicy.pages }}
- ports:
    {{- range last . }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- if not $open }}
  from: {{- toYaml $root.Values.networkPolicy.pages | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* An egress rule to a service that replaces one of ours; call with (list $ "key of networkPolicy.external" port). */}}
{{- define "student-mlops.toExternal" -}}
- to: {{- toYaml (index (first .).Values.networkPolicy.external (index . 1)) | nindent 4 }}
  ports:
    - {port: {{ last . }}, protocol: TCP}
{{- end }}

{{/* The port of a URL; AWS, which needs no URL, is on 443. */}}
{{- define "student-mlops.portOf" -}}
{{- $url := urlParse (. | default "https://") -}}
{{- if regexMatch ":[0-9]+$" $url.host }}{{ regexFind "[0-9]+$" $url.host }}
{{- else }}{{ eq $url.scheme "https" | ternary 443 80 }}
{{- end }}
{{- end }}

{{- define "student-mlops.toNames" -}}
- to: {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{- define "student-mlops.toObjectStore" -}}
{{- if .Values.minio.enabled }}{{ include "student-mlops.to" (list . 9000 "minio") }}
{{- else }}{{ include "student-mlops.toExternal" (list . "objectStore" (include "student-mlops.portOf" .Values.objectStore.external.endpoint)) }}
{{- end }}
{{- end }}

{{- define "student-mlops.toDatabase" -}}
{{- if .Values.postgresql.enabled }}{{ include "student-mlops.to" (list . 5432 "postgresql") }}
{{- else }}{{ include "student-mlops.toExternal" (list . "database" .Values.database.external.port) }}
{{- end }}
{{- end }}

{{- define "student-mlops.toMlflow" -}}
{{- if .Values.mlflow.enabled }}{{ include "student-mlops.to" (list . 5000 "mlflow") }}
{{- else }}{{ include "student-mlops.toExternal" (list . "mlflow" (include "student-mlops.portOf" .Values.mlflow.external.url)) }}
{{- end }}
{{- end }}
