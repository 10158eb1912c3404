{{/* Pod of `helm test`. It runs in the image of `ingest`, which contains an S3 client.
     Call with (list $ "part" variables), and the identity of the object store that it needs. The
     part `mlflow` has the login of MLflow's user `reader`. */}}
{{- define "student-mlops.test" -}}
{{- $root := first . -}}
{{- $account := include "student-mlops.fullname" $root -}}
{{- range slice . 3 -}}
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
      command: [python, /opt/student-mlops/check.py, {{ index . 1 }}]
      env:
        - {name: HOME, value: /tmp}
        - {name: PYTHONPATH, value: /app}
        {{- range $name, $value := include "student-mlops.ca.python" $root | fromYaml }}
        - {name: {{ $name }}, value: {{ $value }}}
        {{- end }}
        {{- with index . 2 }}
        {{- . | nindent 8 }}
        {{- end }}
      envFrom:
        - configMapRef:
            name: {{ include "student-mlops.settings.fullname" $root }}
        {{- range slice . 3 }}
        {{- include "student-mlops.identity.keys" (list $root .) | nindent 8 }}
        {{- end }}
        {{- if eq (index . 1) "mlflow" }}
        {{- include "student-mlops.mlflow.login" (list $root "reader") | nindent 8 }}
        {{- end }}
      resources:
        requests: {cpu: 50m, memory: 96Mi}
        limits: {memory: 256Mi}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: files, mountPath: /opt/student-mlops}
        {{- include "student-mlops.ca.mount" $root | nindent 8 }}
  volumes:
    - name: tmp
      emptyDir: {}
    {{- include "student-mlops.ca.volume" $root | nindent 4 }}
    - name: files
      configMap:
        name: {{ include "student-mlops.test.files.fullname" $root }}
{{- end }}
