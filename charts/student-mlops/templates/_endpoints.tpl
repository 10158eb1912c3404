{{/* Addresses of the services: the chart's own, or the external ones that replace them. */}}

{{- define "student-mlops.object-store.endpoint" -}}
{{- if .Values.minio.enabled }}{{ include "student-mlops.tls.scheme" . }}://{{ include "student-mlops.minio.fullname" . }}:9000
{{- else }}{{ .Values.objectStore.external.endpoint }}
{{- end }}
{{- end }}

{{/* Name of a layer's bucket. Call with (list $ "layer"). */}}
{{- define "student-mlops.object-store.bucket" -}}
{{- with (first .).Values.objectStore.bucketPrefix }}{{ . }}-{{ end }}{{ last . }}
{{- end }}

{{- define "student-mlops.database.host" -}}
{{- if .Values.postgresql.enabled }}{{ include "student-mlops.postgresql.fullname" . }}
{{- else }}{{ .Values.database.external.host }}
{{- end }}
{{- end }}

{{- define "student-mlops.database.port" -}}
{{- if .Values.postgresql.enabled }}5432{{ else }}{{ .Values.database.external.port }}{{ end }}
{{- end }}

{{/* URL of a database without its password. libpq reads the password from PGPASSWORD, so that it
     may contain characters that a URL cannot. Call with (list $ "scheme" "airflow or mlflow"). */}}
{{- define "student-mlops.database.url" -}}
{{- $root := first . -}}
{{- $database := index $root.Values.database (last .) -}}
{{ index . 1 }}://{{ $database.user }}@{{ include "student-mlops.database.host" $root }}:
{{- include "student-mlops.database.port" $root }}/{{ $database.name }}
{{- end }}

{{- define "student-mlops.mlflow.url" -}}
{{- if .Values.mlflow.enabled }}{{ include "student-mlops.tls.scheme" . }}://{{ include "student-mlops.mlflow.internal.fullname" . }}:5000
{{- else }}{{ .Values.mlflow.external.url }}
{{- end }}
{{- end }}
