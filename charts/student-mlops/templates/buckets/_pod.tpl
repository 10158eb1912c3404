{{/* Whether the Job that creates the buckets and MinIO's users is needed: "true", or empty. */}}
{{- define "student-mlops.buckets.needed" -}}
{{- if or .Values.objectStore.createBuckets .Values.minio.enabled }}true{{ end }}
{{- end }}

{{/* Its account: one of its own if it has annotations. */}}
{{- define "student-mlops.buckets.account" -}}
{{- $shared := include "student-mlops.fullname" . -}}
{{- $own := include "student-mlops.buckets.fullname" . -}}
{{ empty .Values.objectStore.serviceAccountAnnotations | ternary $shared $own }}
{{- end }}

{{/* Its pod. */}}
{{- define "student-mlops.buckets.pod" -}}
{{- $folder := "/etc/student-mlops/identities" -}}
{{- $isNeeded := or .Values.minio.enabled .Values.objectStore.existingSecret -}}
{{- $secrets := list "secrets" (ternary (include "student-mlops.object-store.secret" .) "" (not (empty $isNeeded))) -}}
serviceAccountName: {{ include "student-mlops.buckets.account" . }}
automountServiceAccountToken: false
restartPolicy: OnFailure
{{ include "student-mlops.pod" (list $ (include "student-mlops.user" .)) }}
containers:
  - name: buckets
    {{- include "student-mlops.container" (list $ "ingest") | nindent 4 }}
    args:
      - buckets
      {{- if .Values.minio.enabled }}
      - --identities={{ $folder }}
      {{- if include "student-mlops.oidc" . }}
      - {{ print "--roles=" (toJson .Values.auth.oidc.roles) | replace "$(" "$$(" | quote }}
      {{- end }}
      {{- end }}
      {{- range .Values.objectStore.sources }}
      - --source={{ . }}
      {{- end }}
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
      {{- $variables := merge (include "student-mlops.ca.variables" . | fromYaml) (include "student-mlops.ca.python" . | fromYaml) }}
      {{- range $name, $value := $variables }}
      - {name: {{ $name }}, value: {{ $value }}}
      {{- end }}
      {{- include "student-mlops.secrets.variable" $secrets | nindent 6 }}
    resources:
      requests: {cpu: 50m, memory: 96Mi}
      limits: {memory: 256Mi}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- include "student-mlops.ca.mount" . | nindent 6 }}
      {{- include "student-mlops.secrets.mount" $secrets | nindent 6 }}
      {{- if .Values.minio.enabled }}
      - {name: identities, mountPath: {{ $folder }}, readOnly: true}
      {{- end }}
volumes:
  {{- if .Values.minio.enabled }}
  - name: identities
    projected:
      sources:
        {{- range $identity, $options := .Values.objectStore.identities }}
        - secret:
            name: {{ include "student-mlops.identity.secret" (list $ $identity) }}
            items:
              - {key: AWS_ACCESS_KEY_ID, path: {{ $identity }}/AWS_ACCESS_KEY_ID}
              - {key: AWS_SECRET_ACCESS_KEY, path: {{ $identity }}/AWS_SECRET_ACCESS_KEY}
        {{- end }}
  {{- end }}
  {{- include "student-mlops.ca.volume" . | nindent 2 }}
  {{- include "student-mlops.secrets.volume" $secrets | nindent 2 }}
  - name: tmp
    emptyDir: {}
{{- end }}
