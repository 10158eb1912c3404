{{/* Parts that Airflow's pods share. */}}

{{/* Airflow's configuration, which values can override or extend in airflow.env. */}}
{{- define "student-mlops.airflow.variables" -}}
HOME: /tmp
USER: airflow # Airflow looks up the user's name, and the image's numeric user has none
AIRFLOW_HOME: /tmp/airflow
ADMIN_USER: {{ .Values.airflow.adminUser | quote }}
PODS_FILE: /etc/student-mlops/pods.json
# Every task is a pod already; KubernetesExecutor would start a second pod per task.
AIRFLOW__CORE__EXECUTOR: LocalExecutor
AIRFLOW__CORE__PARALLELISM: {{ .Values.airflow.parallelism | quote }}
AIRFLOW__CORE__LOAD_EXAMPLES: "false"
AIRFLOW__CORE__EXECUTION_API_SERVER_URL: {{ include "student-mlops.tls.scheme" . }}://{{ include "student-mlops.airflow.api-server.fullname" . }}:8080/execution/
AIRFLOW__CORE__AUTH_MANAGER: airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager
AIRFLOW__FAB__CONFIG_FILE: /opt/student-mlops/webserver_config.py
# People log in again after 12 hours, and then have the roles that the issuer gives them.
AIRFLOW__FAB__SESSION_LIFETIME_MINUTES: "720"
AIRFLOW__FAB__SESSION_MAX_LIFETIME_MINUTES: "720"
AIRFLOW__API_AUTH__JWT_EXPIRATION_TIME: "43200" # seconds; a token outlives a change of the password
AIRFLOW__DATABASE__SQL_ALCHEMY_CONN: {{ include "student-mlops.database.url" (list . "postgresql+psycopg2" "airflow") }}
AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES: "1"
# The DAGs change only with the image, so that they need no faster parsing. A changed schedule takes
# effect within two minutes.
AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL: "120"
AIRFLOW__LOGGING__BASE_LOG_FOLDER: /logs
AIRFLOW__LOGGING__DAG_PROCESSOR_LOG_TARGET: stdout # log files would fill the pod's disk
# On a busy node the api-server responds late. With a shorter timeout, in seconds, tasks would fail.
AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT: "30"
AIRFLOW__USAGE_DATA_COLLECTION__ENABLED: "false"
{{- $url := include "student-mlops.public-url" .Values.airflow }}
{{- if $url }}
AIRFLOW__API__BASE_URL: {{ $url }}
AIRFLOW__FAB__ENABLE_PROXY_FIX: "true" # the ingress controller reports the client and the host
{{- end }}
{{- if or $url (include "student-mlops.tls" .) }}
AIRFLOW__FAB__COOKIE_SECURE: "true"
{{- end }}
{{- if include "student-mlops.tls" . }}
AIRFLOW__API__SSL_CA_FILE: {{ include "student-mlops.ca.file" . }}
AIRFLOW__API__CLIENT_USE_PUBLIC_CERTS: "false"
{{- end }}
{{- include "student-mlops.ca.database" . }}
{{- with include "student-mlops.oidc.variables" . }}
{{- . }}
OIDC_SCOPES: {{ $.Values.auth.oidc.scopes | join " " | quote }}
{{- end }}
{{- end }}

{{/* Environment of a container. A variable in airflow.env replaces a file. Call with $. */}}
{{- define "student-mlops.airflow.environment" -}}
envFrom:
  - configMapRef:
      name: {{ include "student-mlops.airflow.fullname" . }}
env:
  {{- include "student-mlops.secrets.variable" (list "" (include "student-mlops.airflow.secret" .)) | nindent 2 }}
{{- end }}

{{/* Volume with the Secrets of a container. The keys that sign and verify requests are only for
     "signing" containers: the api-server, and the scheduler, whose tasks send requests to it. The
     passwords of the local users are for "users", and the client's secret is for the "client" of an
     issuer. Call with (list $ "name of the volume" "signing" ...). */}}
{{- define "student-mlops.airflow.volume" -}}
{{- $root := first . -}}
{{- $secret := include "student-mlops.airflow.secret" $root -}}
{{- $keys := list (dict "key" "fernet-key" "path" "AIRFLOW__CORE__FERNET_KEY") -}}
{{- $optional := list -}}
{{- if has "signing" . -}}
{{- $keys = append $keys (dict "key" "jwt-secret" "path" "AIRFLOW__API_AUTH__JWT_SECRET") -}}
{{- $keys = append $keys (dict "key" "api-secret-key" "path" "AIRFLOW__API__SECRET_KEY") -}}
{{- end -}}
{{- if has "users" . -}}
{{- $keys = append $keys (dict "key" "admin-password" "path" "ADMIN_PASSWORD") -}}
{{- range list "viewer" "operator" "approver" -}}
{{- $optional = append $optional (dict "key" (printf "%s-password" .) "path" (printf "%s_PASSWORD" (upper .))) -}}
{{- end -}}
{{- end -}}
{{- $database := list (dict "key" "airflow-password" "path" "PGPASSWORD") -}}
{{- $sources := list
  (dict "name" (include "student-mlops.database.secret" $root) "items" $database)
  (dict "name" $secret "items" $keys)
-}}
{{- with $optional -}}
{{- $sources = append $sources (dict "name" $secret "optional" true "items" .) -}}
{{- end -}}
{{- if and (has "client" .) (include "student-mlops.oidc" $root) -}}
{{- $client := list (dict "key" "OIDC_CLIENT_SECRET" "path" "OIDC_CLIENT_SECRET") -}}
{{- $sources = append $sources (dict "name" $root.Values.auth.oidc.existingSecret "items" $client) -}}
{{- end -}}
{{- include "student-mlops.secrets.sources" (list (index . 1) $sources $root.Values.airflow.env) }}
{{- end }}

{{/* Command that waits for the database before it starts. Without the wait the container would
     crash, and Kubernetes would restart it after longer and longer pauses. The program is a module or
     a Python file, which reads the files of Secrets. Call with (list $ "program" "argument" ...). */}}
{{- define "student-mlops.airflow.command" -}}
{{- $root := first . -}}
- python
- /opt/student-mlops/wait_for.py
- {{ include "student-mlops.database.host" $root }}
- {{ include "student-mlops.database.port" $root | quote }}
- python
- -m
- pipeline.secret_files
{{- range rest . }}
- {{ . }}
{{- end }}
{{- end }}

{{/* Init container. Call with (list $ "name" "volume with its Secrets" resources "program"
     "argument" ...). */}}
{{- define "student-mlops.airflow.init" -}}
{{- $root := first . -}}
- name: {{ index . 1 }}
  {{- include "student-mlops.container" (list $root "airflow") | nindent 2 }}
  command: {{- include "student-mlops.airflow.command" (prepend (slice . 4) $root) | nindent 4 }}
  {{- include "student-mlops.airflow.environment" $root | nindent 2 }}
  resources: {{- toYaml (index . 3) | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: logs, mountPath: /logs}
    - {name: files, mountPath: /opt/student-mlops}
    {{- include "student-mlops.ca.mount" $root | nindent 4 }}
    {{- include "student-mlops.secrets.mount" (list (index . 2) (index . 2)) | nindent 4 }}
{{- end }}

{{/* Init container that waits until the scheduler has migrated the database.
     Call with (list $ resources). */}}
{{- define "student-mlops.airflow.wait-for-migration" -}}
{{- include "student-mlops.airflow.init" (list (first .) "wait-for-migration" "secrets" (last .) "airflow" "db" "check-migrations" "--migration-wait-timeout=600") }}
{{- end }}

{{/* Checksums of what Airflow reads only when it starts; a change restarts the pods. The file that
     describes the stages' pods is left out: Airflow reads it at every parsing, and a restart could end a
     running task. */}}
{{- define "student-mlops.airflow.checksum" -}}
{{- $configuration := include "student-mlops.data" (list . "airflow/configmap.yaml") -}}
{{- $files := include "student-mlops.data" (list . "airflow/configmap-files.yaml") -}}
checksum/config: {{ print $configuration $files | sha256sum }}
{{ include "student-mlops.secrets-checksum" (list . (include "student-mlops.airflow.secret" .) (include "student-mlops.database.secret" .) (include "student-mlops.tls.checked" (list . "airflow")) .Values.auth.oidc.existingSecret) }}
{{- end }}
