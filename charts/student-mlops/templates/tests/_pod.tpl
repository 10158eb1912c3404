{{/* A pod of `helm test` in the image of ingest; call with (list $ "part" environment). */}}
{{- define "student-mlops.test" -}}
{{- $root := first . -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "student-mlops.fullname" $root }}-test-{{ index . 1 }}
  labels: {{- include "student-mlops.labels" (list $root "test") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  serviceAccountName: {{ include "student-mlops.fullname" $root }}
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
        {{- with last . }}
        {{- . | nindent 8 }}
        {{- end }}
      envFrom:
        - configMapRef:
            name: {{ include "student-mlops.fullname" $root }}-settings
        - secretRef:
            name: {{ include "student-mlops.objectStore.secret" $root }}
      resources:
        requests: {cpu: 50m, memory: 96Mi}
        limits: {memory: 256Mi}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: files, mountPath: /opt/student-mlops}
  volumes:
    - name: tmp
      emptyDir: {}
    - name: files
      configMap:
        name: {{ include "student-mlops.fullname" $root }}-tests
{{- end }}
