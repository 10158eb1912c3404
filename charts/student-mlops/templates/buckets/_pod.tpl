{{/* Pod of the Job that creates the buckets. */}}
{{- define "student-mlops.buckets.pod" -}}
serviceAccountName: {{ include "student-mlops.fullname" . }}
automountServiceAccountToken: false
restartPolicy: OnFailure
{{ include "student-mlops.pod" (list $ (include "student-mlops.user" .)) }}
containers:
  - name: buckets
    {{- include "student-mlops.container" (list $ "ingest") | nindent 4 }}
    args: [buckets]
    env:
      - name: HOME
        value: /tmp
      - name: AWS_DEFAULT_REGION
        value: {{ .Values.objectStore.region }}
      - name: MLOPS_LAKE__URL
        value: s3://{{ .Values.objectStore.bucketPrefix }}
      {{- with include "student-mlops.object-store.endpoint" . }}
      - name: MLOPS_LAKE__ENDPOINT
        value: {{ . }}
      {{- end }}
    envFrom:
      - secretRef:
          name: {{ include "student-mlops.object-store.secret" . }}
    resources:
      requests: {cpu: 50m, memory: 96Mi}
      limits: {memory: 256Mi}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
volumes:
  - name: tmp
    emptyDir: {}
{{- end }}
