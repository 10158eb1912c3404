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

{{/* Environment of a container. A variable in mlflow.env replaces a file. */}}
{{- define "student-mlops.mlflow.environment" -}}
{{- $variables := list "student-mlops.mlflow.variables" .Values.mlflow.env . -}}
env:
  {{- include "student-mlops.secrets.variable" (list "" (include "student-mlops.mlflow.secret" .)) | nindent 2 }}
  {{- range $name, $value := include "student-mlops.variables" $variables | fromYaml }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
{{- end }}

{{/* Volume with the Secrets of a container, and the login of a user, if any.
     Call with (list $ "name of the volume" "user"). */}}
{{- define "student-mlops.mlflow.volume" -}}
{{- $root := first . -}}
{{- $administrator := include "student-mlops.mlflow.user.secret" (list $root "admin") -}}
{{- $sources := list
  (dict "name" (include "student-mlops.mlflow.secret" $root))
  (dict "name" (include "student-mlops.database.secret" $root)
    "items" (list (dict "key" "mlflow-password" "path" "PGPASSWORD")))
  (dict "name" $administrator
    "items" (list (dict "key" "MLFLOW_TRACKING_USERNAME" "path" "MLFLOW_AUTH_ADMIN_USERNAME")))
-}}
{{- with include "student-mlops.identity.secret" (list $root "mlflow") -}}
{{- $sources = append $sources (dict "name" .) -}}
{{- end -}}
{{- range slice . 2 -}}
{{- $sources = append $sources (dict "name" (include "student-mlops.mlflow.user.secret" (list $root .))) -}}
{{- end -}}
{{- include "student-mlops.secrets.sources" (list (index . 1) $sources $root.Values.mlflow.env) }}
{{- end }}
