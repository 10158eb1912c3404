{{/* Labels, images and the parts that all pods share. */}}

{{/* Labels that select a component's pods. Call with (list $ "component"). */}}
{{- define "student-mlops.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{/* Labels of a resource. Call with (list $ "component"). */}}
{{- define "student-mlops.labels" -}}
{{- $root := first . -}}
{{ include "student-mlops.selector" . }}
app.kubernetes.io/part-of: {{ $root.Chart.Name }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels that give a stage's pod access beyond the object store and MLflow: the network policies
     select on them. The DAGs set them on the pods of those stages whose row in
     pipeline/stages/__init__.py has `internet`, `calls_predictor` or `tasks`. */}}
{{- define "student-mlops.access.internet" }}student-mlops/internet: "true"{{ end }}
{{- define "student-mlops.access.predictor" }}student-mlops/calls-predictor: "true"{{ end }}
{{- define "student-mlops.access.workers" }}student-mlops/uses-workers: "true"{{ end }}

{{/* Reference of an image. Call with (list $ "key of images"). */}}
{{- define "student-mlops.image" -}}
{{- $root := first . -}}
{{- $image := index $root.Values.images (last .) -}}
{{- $registry := dig "registry" $root.Values.image.registry $image -}}
{{- $tag := $image.tag | default $root.Values.image.tag | default $root.Chart.AppVersion -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{/* Image and security context of a container. Call with (list $ "key of images"). */}}
{{- define "student-mlops.container" -}}
{{- $root := first . -}}
image: {{ include "student-mlops.image" . | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
  readOnlyRootFilesystem: true
{{- end }}

{{/* The part of a pod's spec that all pods share. Call with (list $ uid).
     Service links are off because Airflow, MLflow and the pipeline would read the variables that
     they add as settings. */}}
{{- define "student-mlops.pod" -}}
{{- $root := first . -}}
enableServiceLinks: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $root.Values.scheduling.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.scheduling.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ last . }}
  runAsGroup: {{ last . }}
  fsGroup: {{ last . }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* User id in the platform's own images. */}}
{{- define "student-mlops.user" }}10001{{ end }}

{{/* Where pods mount the columns file; and the volume and its mount, empty without the file. */}}
{{- define "student-mlops.columns.folder" }}/etc/student-mlops{{ end }}

{{- define "student-mlops.columns.volume" -}}
{{- if .Values.columns }}
- name: columns
  configMap: {name: {{ include "student-mlops.columns.fullname" . }}}
{{- end }}
{{- end }}

{{- define "student-mlops.columns.mount" -}}
{{- if .Values.columns }}
- {name: columns, mountPath: {{ include "student-mlops.columns.folder" . }}, readOnly: true}
{{- end }}
{{- end }}

{{/* Value of a Secret's key, in base64. An upgrade keeps the value that is in the cluster. The
     first installation uses the default, or 32 random characters if the default is empty.
     To replace a value, remove the key from the Secret, and upgrade.
     Call with (list $ "name of the Secret" "key" "default"). */}}
{{- define "student-mlops.keep-secret" -}}
{{- $root := first . -}}
{{- $name := index . 1 -}}
{{- /* A rendering needs the same random value in several places, so it is generated once. */}}
{{- $_ := set $root.Release "secrets" (dig "secrets" dict $root.Release) -}}
{{- $known := dig $name dict $root.Release.secrets -}}
{{- if not (hasKey $known (index . 2)) -}}
{{- $secret := lookup "v1" "Secret" $root.Release.Namespace $name -}}
{{- $new := index . 3 | default (randAlphaNum 32) | b64enc -}}
{{- $_ := set $known (index . 2) (dig "data" (index . 2) "" $secret | default $new) -}}
{{- $_ := set $root.Release.secrets $name $known -}}
{{- end -}}
{{ index $known (index . 2) }}
{{- end }}

{{/* Annotation with the checksum of Secrets, so that a changed Secret restarts the pods that read it.
     Names may be empty. Call with (list $ "name of a Secret" ...). */}}
{{- define "student-mlops.secrets-checksum" -}}
{{- $root := first . -}}
{{- range $template := list "airflow/secret.yaml" "auth/secret.yaml" "dask/secret.yaml" "identities/secrets.yaml" "minio/secret.yaml" "mlflow/secrets.yaml" "postgresql/secret.yaml" "predictor/secret.yaml" "predictor/secret-sessions.yaml" "stages/secret-pseudonyms.yaml" "tls/secrets.yaml" -}}
{{- $_ := include (printf "%s/%s" $root.Template.BasePath $template) $root -}}
{{- end -}}
{{- $data := dict -}}
{{- range $name := rest . | compact | uniq -}}
{{- $existing := lookup "v1" "Secret" $root.Release.Namespace $name -}}
{{- $_ := set $data $name (dig "secrets" $name (dig "data" dict $existing) $root.Release) -}}
{{- end -}}
checksum/secrets: {{ toJson $data | sha256sum }}
{{- end }}

{{/* Volume claim that `helm uninstall` keeps.
     Call with (list $ "name" "component" persistence). */}}
{{- define "student-mlops.claim" -}}
{{- $root := first . -}}
{{- $persistence := last . -}}
{{- if not $persistence.existingClaim }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ index . 1 }}
  labels: {{- include "student-mlops.labels" (list $root (index . 2)) | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  accessModes: [ReadWriteOnce]
  {{- with $persistence.storageClass }}
  storageClassName: {{ . | quote }}
  {{- end }}
  resources:
    requests:
      storage: {{ $persistence.size }}
{{- end }}
{{- end }}

{{/* Spreads a component's pods over the nodes where possible. Call with (list $ "component"). */}}
{{- define "student-mlops.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "student-mlops.selector" . | nindent 8 }}
{{- end }}

{{/* Value of an environment variable as text. Helm reads numbers as floats and would print large
     whole numbers with an exponent. */}}
{{- define "student-mlops.variable" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* The chart's variables with a user's on top, as YAML. A variable that the user sets replaces the
     chart's. Call with (list "template of the chart's variables" own $). */}}
{{- define "student-mlops.variables" -}}
{{- $variables := include (first .) (last .) | fromYaml -}}
{{- range $name, $value := index . 1 -}}
{{- $_ := set $variables $name (include "student-mlops.variable" $value) -}}
{{- end -}}
{{- toYaml $variables -}}
{{- end }}

{{/* The data of a ConfigMap's template, for checksums. Call with (list $ "template's path"). */}}
{{- define "student-mlops.data" -}}
{{- $root := first . -}}
{{- (include (printf "%s/%s" $root.Template.BasePath (last .)) $root | fromYaml).data | toJson }}
{{- end }}
