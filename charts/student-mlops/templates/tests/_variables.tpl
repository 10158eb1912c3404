{{/* Variables that the tests of single parts need. */}}

{{- define "student-mlops.test.airflow" -}}
- name: AIRFLOW
  value: {{ include "student-mlops.tls.scheme" . }}://{{ include "student-mlops.airflow.api-server.fullname" . }}:8080
- name: VIEWER_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "student-mlops.airflow.secret" . }}
      key: viewer-password
      optional: true # a Secret of the user may have no login for viewers
{{- end }}

{{- define "student-mlops.test.predictor" -}}
- name: PREDICTOR
  value: {{ include "student-mlops.tls.scheme" . }}://{{ include "student-mlops.predictor.internal.fullname" . }}:{{ .Values.predictor.service.port }}
{{- end }}
