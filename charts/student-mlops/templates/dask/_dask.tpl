{{/* What the scheduler, the workers and the stages that use them have in common. */}}

{{/* Address of the scheduler. */}}
{{- define "student-mlops.dask.address" -}}
tls://{{ include "student-mlops.dask.scheduler.fullname" . }}:8786
{{- end }}

{{/* Where pods mount the certificate. */}}
{{- define "student-mlops.dask.folder" }}/etc/student-mlops-dask{{ end }}

{{/* Settings of the connection, as a mapping. */}}
{{- define "student-mlops.dask.variables" -}}
{{- $folder := include "student-mlops.dask.folder" . -}}
MLOPS_DASK__SCHEDULER: {{ include "student-mlops.dask.address" . }}
MLOPS_DASK__CA: {{ $folder }}/ca.crt
MLOPS_DASK__CERTIFICATE: {{ $folder }}/tls.crt
MLOPS_DASK__KEY: {{ $folder }}/tls.key
{{- end }}

{{/* The parts of a container of the scheduler and of a worker that are the same.
     Call with (list $ "further items of `env`"). */}}
{{- define "student-mlops.dask.container" -}}
{{ include "student-mlops.container" (list (first .) "worker") }}
env:
  {{- range $name, $value := include "student-mlops.dask.variables" (first .) | fromYaml }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
  - {name: HOME, value: /tmp}
  # One thread per task, and freed memory goes back to the system.
  - {name: OMP_NUM_THREADS, value: "1"}
  - {name: MALLOC_TRIM_THRESHOLD_, value: "65536"}
  {{- last . | nindent 2 }}
startupProbe:
  httpGet: {path: /health, port: http}
  periodSeconds: 1
  failureThreshold: 120
readinessProbe:
  httpGet: {path: /health, port: http}
  timeoutSeconds: 10
livenessProbe: # a task that holds the interpreter's lock delays the response
  httpGet: {path: /health, port: http}
  periodSeconds: 30
  timeoutSeconds: 20
  failureThreshold: 10
{{- end }}

{{/* The volume with the certificate, and its mount. */}}
{{- define "student-mlops.dask.volume" -}}
- name: dask
  secret: {secretName: {{ include "student-mlops.dask.secret" . }}}
{{- end }}

{{- define "student-mlops.dask.mount" -}}
- {name: dask, mountPath: {{ include "student-mlops.dask.folder" . }}, readOnly: true}
{{- end }}
