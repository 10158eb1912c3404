{{/* Host names that MLflow responds to, each with and without a port, in the format of
     `mlflow server --allowed-hosts`. */}}
{{- define "student-mlops.mlflow.hosts" -}}
{{- $services := list (include "student-mlops.mlflow.fullname" .) (include "student-mlops.mlflow.internal.fullname" .) -}}
{{- $inCluster := list -}}
{{- range $services -}}
{{- $inCluster = concat $inCluster (list . (printf "%s.%s" . $.Release.Namespace) (printf "%s.%s.svc*" . $.Release.Namespace)) -}}
{{- end -}}
{{- $public := (include "student-mlops.public-url" .Values.mlflow | urlParse).host -}}
{{- $names := concat (list "localhost" "127.0.0.1") $inCluster (list $public | compact) .Values.mlflow.allowedHosts -}}
{{- range $index, $name := $names }}{{ if $index }},{{ end }}{{ $name }},{{ $name }}:*{{ end }}
{{- end }}

{{/* Where MLflow's pods mount the files of the chart. */}}
{{- define "student-mlops.mlflow.folder" }}/etc/student-mlops{{ end }}

{{/* Environment with the login of a user of MLflow, as items of envFrom. Call with (list $ "user"). */}}
{{- define "student-mlops.mlflow.login" -}}
{{- with include "student-mlops.mlflow.user.secret" . }}
- secretRef:
    name: {{ . }}
{{- end }}
{{- end }}

{{/* MLflow's configuration, which values can override or extend in mlflow.env. */}}
{{- define "student-mlops.mlflow.variables" -}}
HOME: /tmp
MLFLOW_BACKEND_STORE_URI: {{ include "student-mlops.database.url" (list . "postgresql+psycopg2" "mlflow") }}
MLFLOW_ARTIFACTS_DESTINATION: s3://{{ include "student-mlops.object-store.bucket" (list . "models") }}/mlflow
{{- with include "student-mlops.object-store.endpoint" . }}
MLFLOW_S3_ENDPOINT_URL: {{ . }}
{{- end }}
AWS_DEFAULT_REGION: {{ .Values.objectStore.region }}
MLFLOW_AUTH_CONFIG_PATH: {{ include "student-mlops.mlflow.folder" . }}/auth.ini
MLFLOW_SERVER_ALLOWED_HOSTS: {{ include "student-mlops.mlflow.hosts" . | quote }}
MLFLOW_SERVER_ENABLE_JOB_EXECUTION: "false" # one more process, which only LLM judges need
MLFLOW_DISABLE_TELEMETRY: "true"
PYTHONPATH: {{ include "student-mlops.mlflow.folder" . }} # of the programs that check logins
{{- include "student-mlops.oidc.variables" . }}
{{- include "student-mlops.ca.database" . }}
{{- include "student-mlops.ca.variables" . }}
{{- end }}

{{/* Environment of a container. */}}
{{- define "student-mlops.mlflow.environment" -}}
{{- $variables := list "student-mlops.mlflow.variables" .Values.mlflow.env . -}}
{{- $administrator := include "student-mlops.mlflow.user.secret" (list . "admin") -}}
{{- $secrets := dict
  "PGPASSWORD" (list (include "student-mlops.database.secret" .) "mlflow-password")
  "MLFLOW_AUTH_ADMIN_USERNAME" (list $administrator "MLFLOW_TRACKING_USERNAME")
-}}
envFrom:
  - secretRef:
      name: {{ include "student-mlops.mlflow.secret" . }}
  {{- include "student-mlops.identity.keys" (list $ "mlflow") | nindent 2 }}
env:
  {{- range $name, $source := $secrets }}
  {{- if not (hasKey $.Values.mlflow.env $name) }}
  - name: {{ $name }}
    valueFrom:
      secretKeyRef:
        name: {{ first $source }}
        key: {{ last $source }}
  {{- end }}
  {{- end }}
  {{- range $name, $value := include "student-mlops.variables" $variables | fromYaml }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
{{- end }}
