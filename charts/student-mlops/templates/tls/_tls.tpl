{{/* Certificates of the platform's servers, and the authorities that its clients trust. */}}

{{/* `true` if the connections between the platform's pods are encrypted, else empty. */}}
{{- define "student-mlops.tls" }}{{ if .Values.tls.internal.enabled }}true{{ end }}{{ end }}

{{- define "student-mlops.tls.scheme" }}{{ .Values.tls.internal.enabled | ternary "https" "http" }}{{ end }}

{{/* The names that clients use for each server, as a mapping of lists. */}}
{{- define "student-mlops.tls.servers" -}}
{{- $services := dict -}}
{{- if .Values.minio.enabled -}}
{{- $_ := set $services "minio" (list (include "student-mlops.minio.fullname" .)) -}}
{{- end -}}
{{- if .Values.postgresql.enabled -}}
{{- $_ := set $services "postgresql" (list (include "student-mlops.postgresql.fullname" .)) -}}
{{- end -}}
{{- if .Values.mlflow.enabled -}}
{{- $_ := set $services "mlflow" (list (include "student-mlops.mlflow.fullname" .) (include "student-mlops.mlflow.internal.fullname" .)) -}}
{{- end -}}
{{- if .Values.airflow.enabled -}}
{{- $_ := set $services "airflow" (list (include "student-mlops.airflow.api-server.fullname" .)) -}}
{{- end -}}
{{- if .Values.predictor.enabled -}}
{{- $names := list (include "student-mlops.predictor.fullname" .) (include "student-mlops.predictor.internal.fullname" .) (include "student-mlops.predictor.pods.fullname" .) -}}
{{- $_ := set $services "predictor" $names -}}
{{- end -}}
{{- with include "student-mlops.login.services" . | fromYamlArray -}}
{{- $_ := set $services "login" . -}}
{{- end -}}
{{- $servers := dict -}}
{{- range $server, $names := $services -}}
{{- $hosts := list "localhost" -}}
{{- range $names -}}
{{- $hosts = concat $hosts (list . (printf "%s.%s" . $.Release.Namespace) (printf "%s.%s.svc" . $.Release.Namespace)) -}}
{{- end -}}
{{- $_ := set $servers $server $hosts -}}
{{- end -}}
{{- toYaml $servers -}}
{{- end }}

{{/* Where pods mount the certificate of their server. */}}
{{- define "student-mlops.tls.folder" }}/etc/student-mlops-tls{{ end }}

{{/* Secret with a server's certificate. Call with (list $ "server"). */}}
{{- define "student-mlops.tls.secret" -}}
{{- $root := first . -}}
{{- $generated := printf "%s-%s-tls" (include "student-mlops.fullname" $root) (last .) -}}
{{- index $root.Values.tls.internal.existingSecrets (last .) | default $generated }}
{{- end }}

{{/* Whether the chart signs a server's certificate: `true`, or empty. Call with (list $ "server"). */}}
{{- define "student-mlops.tls.signs" -}}
{{- with (first .).Values.tls.internal -}}
{{- if and .enabled (not .certManager.issuer) (not (index .existingSecrets (last $))) }}true{{ end -}}
{{- end -}}
{{- end }}

{{/* Name of a server's Secret if TLS is on, for checksums. Call with (list $ "server"). */}}
{{- define "student-mlops.tls.checked" -}}
{{- if include "student-mlops.tls" (first .) }}{{ include "student-mlops.tls.secret" . }}{{ end }}
{{- end }}

{{/* The volume with a server's certificate, and its mount; empty without TLS.
     Call with (list $ "server"). */}}
{{- define "student-mlops.tls.volume" -}}
{{- if include "student-mlops.tls" (first .) }}
- name: tls
  secret:
    secretName: {{ include "student-mlops.tls.secret" . }}
    {{- /* PostgreSQL refuses a key that everybody can read. */}}
    defaultMode: 0440
{{- end }}
{{- end }}

{{- define "student-mlops.tls.mount" -}}
{{- if include "student-mlops.tls" . }}
- {name: tls, mountPath: {{ include "student-mlops.tls.folder" . }}, readOnly: true}
{{- end }}
{{- end }}

{{/* ConfigMap with the authorities that clients trust; empty if they trust only public ones. */}}
{{- define "student-mlops.ca.name" -}}
{{- if or .Values.tls.internal.enabled .Values.tls.caBundle }}{{ include "student-mlops.fullname" . }}-ca{{ end }}
{{- end }}

{{/* Folder and file where pods mount it; the file is empty without one. */}}
{{- define "student-mlops.ca.folder" }}/etc/student-mlops-ca{{ end }}
{{- define "student-mlops.ca.file" -}}
{{- if include "student-mlops.ca.name" . }}{{ include "student-mlops.ca.folder" . }}/ca.crt{{ end }}
{{- end }}

{{- define "student-mlops.ca.volume" -}}
{{- with include "student-mlops.ca.name" . }}
- name: ca
  configMap: {name: {{ . }}}
{{- end }}
{{- end }}

{{- define "student-mlops.ca.mount" -}}
{{- if include "student-mlops.ca.name" . }}
- {name: ca, mountPath: {{ include "student-mlops.ca.folder" . }}, readOnly: true}
{{- end }}
{{- end }}

{{/* Variables that make libpq, boto3, requests and our own HTTP clients trust the authorities, and
     encrypt the connection to the database. */}}
{{- define "student-mlops.ca.database" -}}
{{- with include "student-mlops.ca.file" . }}
PGSSLROOTCERT: {{ . }}
{{- end }}
{{- $mode := .Values.database.external.sslMode -}}
{{- if .Values.postgresql.enabled -}}
{{- $mode = .Values.tls.internal.enabled | ternary "verify-full" "" -}}
{{- end -}}
{{- with $mode }}
PGSSLMODE: {{ . }}
{{- end }}
{{- end }}

{{- define "student-mlops.ca.variables" -}}
{{- with include "student-mlops.ca.file" . }}
{{- /* boto3 would no longer trust the public authorities of an external store, such as AWS. */}}
{{- if or $.Values.minio.enabled $.Values.tls.caBundle }}
AWS_CA_BUNDLE: {{ . }}
{{- end }}
REQUESTS_CA_BUNDLE: {{ . }}
{{- end }}
{{- end }}

{{/* Python's standard library and MinIO's client, which read another variable. */}}
{{- define "student-mlops.ca.python" -}}
{{- with include "student-mlops.ca.file" . }}
SSL_CERT_FILE: {{ . }}
{{- end }}
{{- end }}

{{/* Proxy of the pods that connect to the internet. */}}
{{- define "student-mlops.proxy.variables" -}}
{{- with .Values.proxy }}
{{- range $name, $value := dict "HTTP_PROXY" .http "HTTPS_PROXY" .https }}
{{- with $value }}
{{ $name }}: {{ . | quote }}
{{ lower $name }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
