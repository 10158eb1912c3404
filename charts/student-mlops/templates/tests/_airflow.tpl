{{- define "student-mlops.test.airflow" -}}
- name: AIRFLOW
  value: http://{{ include "student-mlops.fullname" . }}-airflow-api-server:8080
- name: ADMIN_USER
  value: {{ .Values.airflow.adminUser | quote }}
- name: ADMIN_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "student-mlops.airflow.secret" . }}
      key: admin-password
{{- end }}
