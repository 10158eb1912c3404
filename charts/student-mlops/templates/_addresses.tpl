{{/* Where the services lie, and the Secrets that open them: the chart's own or those that replace them. */}}

{{- define "student-mlops.objectStore.endpoint" -}}
{{- if .Values.minio.enabled }}http://{{ include "student-mlops.fullname" . }}-minio:9000
{{- else }}{{ .Values.objectStore.external.endpoint }}
{{- end }}
{{- end }}

{{- define "student-mlops.objectStore.secret" -}}
{{- .Values.objectStore.existingSecret | default (printf "%s-objectstore" (include "student-mlops.fullname" .)) }}
{{- end }}

{{/* The bucket of a layer; call with (list $ "layer"). */}}
{{- define "student-mlops.objectStore.bucket" -}}
{{- with (first .).Values.objectStore.bucketPrefix }}{{ . }}-{{ end }}{{ last . }}
{{- end }}

{{- define "student-mlops.database.host" -}}
{{- if .Values.postgresql.enabled }}{{ include "student-mlops.fullname" . }}-postgresql
{{- else }}{{ .Values.database.external.host }}
{{- end }}
{{- end }}

{{- define "student-mlops.database.port" -}}
{{- if .Values.postgresql.enabled }}5432{{ else }}{{ .Values.database.external.port }}{{ end }}
{{- end }}

{{- define "student-mlops.database.secret" -}}
{{- .Values.database.existingSecret | default (printf "%s-postgresql" (include "student-mlops.fullname" .)) }}
{{- end }}

{{/* The database's URL without the password, which libpq takes from PGPASSWORD: a password may so hold any character;
     call with (list $ "scheme" "airflow or mlflow"). */}}
{{- define "student-mlops.database.url" -}}
{{- $root := first . -}}
{{- $database := index $root.Values.database (last .) -}}
{{ index . 1 }}://{{ $database.user }}@{{ include "student-mlops.database.host" $root }}:
{{- include "student-mlops.database.port" $root }}/{{ $database.name }}
{{- end }}

{{- define "student-mlops.mlflow.url" -}}
{{- if .Values.mlflow.enabled }}http://{{ include "student-mlops.fullname" . }}-mlflow:5000
{{- else }}{{ .Values.mlflow.external.url }}
{{- end }}
{{- end }}

{{- define "student-mlops.airflow.secret" -}}
{{- .Values.airflow.existingSecret | default (printf "%s-airflow" (include "student-mlops.fullname" .)) }}
{{- end }}
