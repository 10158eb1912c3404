{{/* Rules of NetworkPolicies. The ports are those of the pods, not of the Services. */}}

{{/* Pods of some components, as a peer. Call with (list $ "component" ...). */}}
{{- define "student-mlops.peer" -}}
{{- $root := first . -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ $root.Chart.Name }}
      app.kubernetes.io/instance: {{ $root.Release.Name }}
    matchExpressions:
      - {key: app.kubernetes.io/component, operator: In, values: [{{ rest . | join ", " }}]}
{{- end }}

{{/* Ingress rule. Call with (list $ port "component" ...). */}}
{{- define "student-mlops.from" -}}
- from:
    {{- include "student-mlops.peer" (concat (list (first .)) (slice . 2)) | nindent 4 }}
  ports:
    - {port: {{ index . 1 }}, protocol: TCP}
{{- end }}

{{/* Egress rule. Call with (list $ port "component" ...). */}}
{{- define "student-mlops.to" -}}
- to:
    {{- include "student-mlops.peer" (concat (list (first .)) (slice . 2)) | nindent 4 }}
  ports:
    - {port: {{ index . 1 }}, protocol: TCP}
{{- end }}

{{/* Ingress rule of a web interface. A Service of type NodePort or LoadBalancer is open to
     everyone. One of type ClusterIP is open to the peers in the values, if there are any.
     Call with (list $ service ports). */}}
{{- define "student-mlops.fromBrowsers" -}}
{{- $root := first . -}}
{{- $open := ne (index . 1).type "ClusterIP" -}}
{{- if or $open $root.Values.networkPolicy.webInterfaces }}
- ports:
    {{- range last . }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- if not $open }}
  from: {{- toYaml $root.Values.networkPolicy.webInterfaces | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Egress rule to an external service.
     Call with (list $ "key of networkPolicy.external" port). */}}
{{- define "student-mlops.toExternal" -}}
- to: {{- toYaml (index (first .).Values.networkPolicy.external (index . 1)) | nindent 4 }}
  ports:
    - {port: {{ last . }}, protocol: TCP}
{{- end }}

{{/* Port of a URL. An empty URL means AWS, which is reached on 443. */}}
{{- define "student-mlops.urlPort" -}}
{{- $url := urlParse (. | default "https://") -}}
{{- if regexMatch ":[0-9]+$" $url.host }}{{ regexFind "[0-9]+$" $url.host }}
{{- else }}{{ eq $url.scheme "https" | ternary 443 80 }}
{{- end }}
{{- end }}

{{- define "student-mlops.toDNS" -}}
- to: {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{- define "student-mlops.toObjectStore" -}}
{{- if .Values.minio.enabled }}{{ include "student-mlops.to" (list . 9000 "minio") }}
{{- else }}
{{- $port := include "student-mlops.urlPort" .Values.objectStore.external.endpoint }}
{{- include "student-mlops.toExternal" (list . "objectStore" $port) }}
{{- end }}
{{- end }}

{{- define "student-mlops.toDatabase" -}}
{{- if .Values.postgresql.enabled }}{{ include "student-mlops.to" (list . 5432 "postgresql") }}
{{- else }}
{{- include "student-mlops.toExternal" (list . "database" .Values.database.external.port) }}
{{- end }}
{{- end }}

{{- define "student-mlops.toMLflow" -}}
{{- if .Values.mlflow.enabled }}{{ include "student-mlops.to" (list . 5000 "mlflow") }}
{{- else }}
{{- $port := include "student-mlops.urlPort" .Values.mlflow.external.url }}
{{- include "student-mlops.toExternal" (list . "mlflow" $port) }}
{{- end }}
{{- end }}
