{{/* Pod of `helm test`. It runs in the image of `ingest`, which contains an S3 client.
     Call with (list $ "part" variables secrets), and the identity of the object store that it needs.
     `secrets` are the sources of a volume; those without a name are left out. */}}
{{- define "student-mlops.test" -}}
{{- $root := first . -}}
{{- $account := include "student-mlops.fullname" $root -}}
{{- $secrets := list -}}
{{- range index . 3 -}}
{{- if .name }}{{ $secrets = append $secrets . }}{{ end -}}
{{- end -}}
{{- range slice . 4 -}}
{{- $account = include "student-mlops.identity.account" (list $root . $account) -}}
{{- end -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "student-mlops.test.fullname" $root }}-{{ index . 1 }}
  labels: {{- include "student-mlops.labels" (list $root "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  serviceAccountName: {{ $account }}
  automountServiceAccountToken: false
  restartPolicy: Never
  {{- include "student-mlops.pod" (list $root (include "student-mlops.user" $root)) | nindent 2 }}
  containers:
    - name: test
      {{- include "student-mlops.container" (list $root "ingest") | nindent 6 }}
      command: [python, -m, pipeline.secret_files, /opt/student-mlops/check.py, {{ index . 1 }}]
      env:
        - {name: HOME, value: /tmp}
        - {name: PYTHONPATH, value: /app}
        {{- range $name, $value := include "student-mlops.ca.python" $root | fromYaml }}
        - {name: {{ $name }}, value: {{ $value }}}
        {{- end }}
        {{- if $secrets }}
        {{- include "student-mlops.secrets.variable" (list "secrets" $secrets) | nindent 8 }}
        {{- end }}
        {{- with index . 2 }}
        {{- . | nindent 8 }}
        {{- end }}
      envFrom:
        - configMapRef:
            name: {{ include "student-mlops.settings.fullname" $root }}
      resources:
        requests: {cpu: 50m, memory: 96Mi}
        limits: {memory: 256Mi}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: files, mountPath: /opt/student-mlops}
        {{- include "student-mlops.ca.mount" $root | nindent 8 }}
        {{- if $secrets }}
        {{- include "student-mlops.secrets.mount" (list "secrets" $secrets) | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {}
    {{- include "student-mlops.ca.volume" $root | nindent 4 }}
    {{- with $secrets }}
    {{- include "student-mlops.secrets.sources" (list "secrets" . (dict)) | nindent 4 }}
    {{- end }}
    - name: files
      configMap:
        name: {{ include "student-mlops.test.files.fullname" $root }}
{{- end }}
