{{/* Names of resources, one template per name. */}}

{{/* Prefix of every name: fullnameOverride, or the release's name, followed by the chart's name
     unless the release's name contains it. */}}
{{- define "student-mlops.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name }}{{ .Release.Name }}
{{- else }}{{ .Release.Name }}-{{ .Chart.Name }}
{{- end }}
{{- end }}

{{/* Airflow */}}
{{- define "student-mlops.airflow.fullname" -}}
{{ include "student-mlops.fullname" . }}-airflow
{{- end }}

{{- define "student-mlops.airflow.files.fullname" -}}
{{ include "student-mlops.airflow.fullname" . }}-files
{{- end }}

{{- define "student-mlops.airflow.api-server.fullname" -}}
{{ include "student-mlops.airflow.fullname" . }}-api-server
{{- end }}

{{- define "student-mlops.airflow.dag-processor.fullname" -}}
{{ include "student-mlops.airflow.fullname" . }}-dag-processor
{{- end }}

{{- define "student-mlops.airflow.scheduler.fullname" -}}
{{ include "student-mlops.airflow.fullname" . }}-scheduler
{{- end }}

{{/* Stages */}}
{{- define "student-mlops.stage.fullname" -}}
{{ include "student-mlops.fullname" . }}-stage
{{- end }}

{{- define "student-mlops.stage.internet.fullname" -}}
{{ include "student-mlops.stage.fullname" . }}-internet
{{- end }}

{{- define "student-mlops.stage.predictor.fullname" -}}
{{ include "student-mlops.stage.fullname" . }}-predictor
{{- end }}

{{- define "student-mlops.settings.fullname" -}}
{{ include "student-mlops.fullname" . }}-settings
{{- end }}

{{- define "student-mlops.columns.fullname" -}}
{{ include "student-mlops.fullname" . }}-columns
{{- end }}

{{- define "student-mlops.proxy.fullname" -}}
{{ include "student-mlops.fullname" . }}-proxy
{{- end }}

{{- define "student-mlops.pods.fullname" -}}
{{ include "student-mlops.fullname" . }}-pods
{{- end }}

{{- define "student-mlops.by-hand.fullname" -}}
{{ include "student-mlops.fullname" . }}-by-hand
{{- end }}

{{/* The other components */}}
{{- define "student-mlops.buckets.fullname" -}}
{{ include "student-mlops.fullname" . }}-buckets
{{- end }}

{{- define "student-mlops.dask.fullname" -}}
{{ include "student-mlops.fullname" . }}-dask
{{- end }}

{{- define "student-mlops.dask.scheduler.fullname" -}}
{{ include "student-mlops.dask.fullname" . }}-scheduler
{{- end }}

{{- define "student-mlops.dask.workers.fullname" -}}
{{ include "student-mlops.dask.fullname" . }}-worker
{{- end }}

{{- define "student-mlops.stage.workers.fullname" -}}
{{ include "student-mlops.stage.fullname" . }}-workers
{{- end }}

{{- define "student-mlops.minio.fullname" -}}
{{ include "student-mlops.fullname" . }}-minio
{{- end }}

{{- define "student-mlops.minio.files.fullname" -}}
{{ include "student-mlops.minio.fullname" . }}-files
{{- end }}

{{- define "student-mlops.mlflow.fullname" -}}
{{ include "student-mlops.fullname" . }}-mlflow
{{- end }}

{{- define "student-mlops.mlflow.login.fullname" -}}
{{ include "student-mlops.mlflow.fullname" . }}-login
{{- end }}

{{- define "student-mlops.mlflow.files.fullname" -}}
{{ include "student-mlops.mlflow.fullname" . }}-files
{{- end }}

{{- define "student-mlops.postgresql.fullname" -}}
{{ include "student-mlops.fullname" . }}-postgresql
{{- end }}

{{- define "student-mlops.postgresql.files.fullname" -}}
{{ include "student-mlops.postgresql.fullname" . }}-files
{{- end }}

{{- define "student-mlops.predictor.fullname" -}}
{{ include "student-mlops.fullname" . }}-predictor
{{- end }}

{{- define "student-mlops.predictor.login.fullname" -}}
{{ include "student-mlops.predictor.fullname" . }}-login
{{- end }}

{{- define "student-mlops.predictor.pods.fullname" -}}
{{ include "student-mlops.predictor.fullname" . }}-pods
{{- end }}

{{- define "student-mlops.retention.fullname" -}}
{{ include "student-mlops.fullname" . }}-retention
{{- end }}

{{- define "student-mlops.test.fullname" -}}
{{ include "student-mlops.fullname" . }}-test
{{- end }}

{{- define "student-mlops.test.files.fullname" -}}
{{ include "student-mlops.fullname" . }}-tests
{{- end }}

{{/* Services for pods, which never lead to the login. */}}
{{- define "student-mlops.mlflow.internal.fullname" -}}
{{ include "student-mlops.mlflow.fullname" . }}-internal
{{- end }}

{{- define "student-mlops.predictor.internal.fullname" -}}
{{ include "student-mlops.predictor.fullname" . }}-internal
{{- end }}

{{/* Secrets, which values can replace by existing ones */}}
{{- define "student-mlops.login.secret" -}}
{{- $generated := printf "%s-login" (include "student-mlops.fullname" .) -}}
{{- .Values.auth.proxy.existingSecret | default $generated }}
{{- end }}

{{- define "student-mlops.airflow.secret" -}}
{{- .Values.airflow.existingSecret | default (include "student-mlops.airflow.fullname" .) }}
{{- end }}

{{- define "student-mlops.database.secret" -}}
{{- .Values.database.existingSecret | default (include "student-mlops.postgresql.fullname" .) }}
{{- end }}

{{- define "student-mlops.dask.secret" -}}
{{- .Values.dask.tls.existingSecret | default (include "student-mlops.dask.fullname" .) }}
{{- end }}

{{- define "student-mlops.object-store.secret" -}}
{{- $generated := printf "%s-objectstore" (include "student-mlops.fullname" .) -}}
{{- .Values.objectStore.existingSecret | default $generated }}
{{- end }}

{{/* Secret, and service account, of an identity of the object store. Call with (list $ "identity"). */}}
{{- define "student-mlops.identity.fullname" -}}
{{ include "student-mlops.fullname" (first .) }}-s3-{{ last . }}
{{- end }}

{{- define "student-mlops.mlflow.secret" -}}
{{- .Values.mlflow.existingSecret | default (include "student-mlops.mlflow.fullname" .) }}
{{- end }}

{{/* Secret with the login of a user of MLflow; empty if an external MLflow needs none.
     Call with (list $ "user"). */}}
{{- define "student-mlops.mlflow.user.secret" -}}
{{- $root := first . -}}
{{- $generated := printf "%s-%s" (include "student-mlops.mlflow.fullname" $root) (last .) -}}
{{- (index $root.Values.mlflow.users (last .)).existingSecret | default (ternary $generated "" $root.Values.mlflow.enabled) }}
{{- end }}

{{- define "student-mlops.pseudonyms.secret" -}}
{{- $generated := printf "%s-pseudonyms" (include "student-mlops.fullname" .) -}}
{{- .Values.pseudonyms.existingSecret | default $generated }}
{{- end }}

{{/* Secret with the key that stages send to the predictor; empty if predictions need no key. */}}
{{- define "student-mlops.predictor.secret" -}}
{{- $generated := printf "%s-key" (include "student-mlops.predictor.fullname" .) -}}
{{- $isNeeded := or .Values.predictor.apiKeys.existingSecret .Values.auth.oidc.issuer -}}
{{- .Values.predictor.existingSecret | default (ternary $generated "" (not (empty $isNeeded))) }}
{{- end }}

{{/* Secret that signs the sessions of the page; empty if predictions need no key. */}}
{{- define "student-mlops.predictor.sessions.secret" -}}
{{- $generated := printf "%s-sessions" (include "student-mlops.predictor.fullname" .) -}}
{{- if include "student-mlops.predictor.secret" . }}
{{- .Values.predictor.sessions.existingSecret | default $generated }}
{{- end }}
{{- end }}
