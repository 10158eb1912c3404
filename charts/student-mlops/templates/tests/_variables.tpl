{{/* Variables that the tests of single parts need. */}}

{{- define "student-mlops.test.airflow" -}}
- name: AIRFLOW
  value: {{ include "student-mlops.tls.scheme" . }}://{{ include "student-mlops.airflow.api-server.fullname" . }}:8080
{{- end }}

{{- define "student-mlops.test.predictor" -}}
- name: PREDICTOR
  value: {{ include "student-mlops.tls.scheme" . }}://{{ include "student-mlops.predictor.internal.fullname" . }}:{{ .Values.predictor.service.port }}
{{- end }}
