{{/* Volume with the Secrets of these commands, as arguments of the templates that mount it. */}}
{{- define "student-mlops.retention.secrets" -}}
{{- toYaml (list "secrets" (include "student-mlops.identity.secret" (list $ "retention")) (include "student-mlops.mlflow.user.secret" (list $ "cleaner"))) -}}
{{- end }}

{{/* Container of a command that reads the lake and MLflow, without an image's other parts.
     Call with (list $ "command" "argument" ...). With an argument that names /logs it has the
     volume with Airflow's task logs. */}}
{{- define "student-mlops.retention.command" -}}
{{- $root := first . -}}
{{- $secrets := include "student-mlops.retention.secrets" $root | fromYamlArray -}}
- name: {{ index . 1 }}
  {{- include "student-mlops.container" (list $root "validate") | nindent 2 }}
  args: [{{ rest . | join ", " }}]
  env:
    - name: HOME
      value: /tmp
    {{- include "student-mlops.secrets.variable" $secrets | nindent 4 }}
  envFrom:
    - configMapRef:
        name: {{ include "student-mlops.settings.fullname" $root }}
  resources: {{- toYaml $root.Values.retention.resources | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    {{- include "student-mlops.secrets.mount" $secrets | nindent 4 }}
    {{- include "student-mlops.ca.mount" $root | nindent 4 }}
    {{- include "student-mlops.columns.mount" $root | nindent 4 }}
    {{- if has "--airflow-logs=/logs" . }}
    - {name: logs, mountPath: /logs, readOnly: true}
    {{- end }}
{{- end }}

{{/* The pod. Its containers run one after the other. */}}
{{- define "student-mlops.retention.pod" -}}
{{- $hasAirflow := and .Values.airflow.enabled .Values.retention.airflowDays -}}
serviceAccountName: {{ include "student-mlops.identity.account" (list $ "retention" (include "student-mlops.fullname" .)) }}
automountServiceAccountToken: false
restartPolicy: OnFailure
{{ include "student-mlops.pod" (list $ (include "student-mlops.user" .)) }}
{{- if $hasAirflow }}
affinity: # the volume with the task logs can be mounted on one node only
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- include "student-mlops.selector" (list $ "airflow-scheduler") | nindent 12 }}
{{- end }}
initContainers:
  {{- include "student-mlops.retention.command" (list $ "retain") | nindent 2 }}
  {{- if .Values.mlflow.enabled }}
  - name: mlflow-gc # deletes the data of runs that are marked as deleted
    {{- include "student-mlops.container" (list $ "mlflow") | nindent 4 }}
    command: [python, -m, pipeline.secret_files, mlflow, gc, --backend-store-uri=$(MLFLOW_BACKEND_STORE_URI), --tracking-uri={{ include "student-mlops.mlflow.url" . }}]
    {{- include "student-mlops.mlflow.environment" . | nindent 4 }}
    resources: {{- toYaml .Values.mlflow.resources | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- include "student-mlops.ca.mount" . | nindent 6 }}
      {{- include "student-mlops.secrets.mount" (list "mlflow-secrets" true) | nindent 6 }}
  {{- end }}
  {{- if $hasAirflow }}
  - name: airflow-clean
    {{- include "student-mlops.container" (list $ "airflow") | nindent 4 }}
    command: [python, -m, pipeline.secret_files, /opt/student-mlops/clean.py, {{ .Values.retention.airflowDays | quote }}]
    {{- include "student-mlops.airflow.environment" . | nindent 4 }}
    resources: {{- toYaml .Values.retention.resources | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: logs, mountPath: /logs}
      - {name: files, mountPath: /opt/student-mlops}
      {{- include "student-mlops.secrets.mount" (list "airflow-secrets" true) | nindent 6 }}
      {{- include "student-mlops.ca.mount" . | nindent 6 }}
  {{- end }}
containers:
  {{- $holdings := list $ "holdings" }}
  {{- if .Values.airflow.enabled }}
  {{- $holdings = append $holdings (printf "--airflow-days=%d" (int .Values.retention.airflowDays)) }}
  {{- end }}
  {{- if $hasAirflow }}
  {{- $holdings = append $holdings "--airflow-logs=/logs" }}
  {{- end }}
  {{- include "student-mlops.retention.command" $holdings | nindent 2 }}
volumes:
  - name: tmp
    emptyDir: {}
  {{- include "student-mlops.ca.volume" . | nindent 2 }}
  {{- include "student-mlops.columns.volume" . | nindent 2 }}
  {{- include "student-mlops.secrets.volume" (include "student-mlops.retention.secrets" . | fromYamlArray) | nindent 2 }}
  {{- if .Values.mlflow.enabled }}
  {{- include "student-mlops.mlflow.volume" (list $ "mlflow-secrets" "cleaner") | nindent 2 }}
  {{- end }}
  {{- if $hasAirflow }}
  {{- include "student-mlops.airflow.volume" (list $ "airflow-secrets") | nindent 2 }}
  - name: logs
    persistentVolumeClaim:
      claimName: {{ .Values.airflow.scheduler.persistence.existingClaim | default (include "student-mlops.airflow.scheduler.fullname" .) }}
  - name: files
    configMap:
      name: {{ include "student-mlops.airflow.files.fullname" . }}
  {{- end }}
{{- end }}
