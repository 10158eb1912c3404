{{/* Host names that MLflow answers to, each with and without a port; as in `mlflow server --allowed-hosts`. */}}
{{- define "student-mlops.mlflow.hosts" -}}
{{- $service := printf "%s-mlflow" (include "student-mlops.fullname" .) -}}
{{- $names := concat (list "localhost" "127.0.0.1" $service (printf "%s.%s" $service .Release.Namespace) (printf "%s.%s.svc*" $service .Release.Namespace)) .Values.mlflow.allowedHosts -}}
{{- range $index, $name := $names }}{{ if $index }},{{ end }}{{ $name }},{{ $name }}:*{{ end }}
{{- end }}
