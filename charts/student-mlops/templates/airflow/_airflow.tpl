{{/* What Airflow's pods have in common. */}}

{{/* Their environment. Secrets are variables, so that one of the user's own needs no files. */}}
{{- define "student-mlops.airflow.environment" -}}
envFrom:
  - configMapRef:
      name: {{ include "student-mlops.fullname" . }}-airflow
env:
  - name: PGPASSWORD
    valueFrom:
      secretKeyRef:
        name: {{ include "student-mlops.database.secret" . }}
        key: airflow-password
  {{- range $variable, $key := dict "AIRFLOW__CORE__FERNET_KEY" "fernet-key" "AIRFLOW__API_AUTH__JWT_SECRET" "jwt-secret" "AIRFLOW__API__SECRET_KEY" "api-secret-key" }}
  - name: {{ $variable }}
    valueFrom:
      secretKeyRef:
        name: {{ include "student-mlops.airflow.secret" $ }}
        key: {{ $key }}
  {{- end }}
{{- end }}

{{/* A command that first waits for the database, which would else be a crash, and a longer pause after each; call
     with (list $ "program" "argument" ...). */}}
{{- define "student-mlops.airflow.command" -}}
{{- $root := first . -}}
[python, /opt/student-mlops/wait_for.py, {{ include "student-mlops.database.host" $root }}, "{{ include "student-mlops.database.port" $root }}", {{ rest . | join ", " }}]
{{- end }}

{{/* An init container with such a command; call with (list $ "name" resources "argument" ...). */}}
{{- define "student-mlops.airflow.init" -}}
{{- $root := first . -}}
- name: {{ index . 1 }}
  {{- include "student-mlops.container" (list $root "airflow") | nindent 2 }}
  command: {{ include "student-mlops.airflow.command" (concat (list $root "airflow") (slice . 3)) }}
  {{- include "student-mlops.airflow.environment" $root | nindent 2 }}
  resources: {{- toYaml (index . 2) | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: logs, mountPath: /logs}
    - {name: files, mountPath: /opt/student-mlops}
{{- end }}

{{/* Checksum of what Airflow reads when it starts. What it reads anew (the stages' pods) and Secrets, which the chart never
     changes, restart nothing: a task may be running. */}}
{{- define "student-mlops.airflow.checksum" -}}
checksum/config: {{ print (include "student-mlops.data" (list . "airflow/configmap.yaml")) (include "student-mlops.data" (list . "airflow/configmap-files.yaml")) | sha256sum }}
{{- end }}
