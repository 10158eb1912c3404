{{/* Names, labels and what all pods have in common. */}}

{{- define "student-mlops.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name }}{{ .Release.Name }}
{{- else }}{{ .Release.Name }}-{{ .Chart.Name }}
{{- end }}
{{- end }}

{{/* Labels that pods are selected by; call with (list $ "component"). */}}
{{- define "student-mlops.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{/* Labels of a resource; call with (list $ "component"). */}}
{{- define "student-mlops.labels" -}}
{{- $root := first . -}}
{{ include "student-mlops.selector" . }}
app.kubernetes.io/part-of: {{ $root.Chart.Name }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels with which a stage's pod gets access beyond the object store and MLflow. The DAGs set them on the pods of the
     stages whose row in pipeline/stages/__init__.py has `internet` or `calls_predictor`; network policies select on them. */}}
{{- define "student-mlops.access.internet" }}student-mlops/internet: "true"{{ end }}
{{- define "student-mlops.access.predictor" }}student-mlops/calls-predictor: "true"{{ end }}

{{/* Reference of an image; call with (list $ "name"). */}}
{{- define "student-mlops.image" -}}
{{- $root := first . -}}
{{- $image := index $root.Values.images (last .) -}}
{{- $registry := dig "registry" $root.Values.image.registry $image -}}
{{- $tag := $image.tag | default $root.Values.image.tag | default $root.Chart.AppVersion -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{/* `image` and the rest of a container that is the same everywhere; call with (list $ "image's name"). */}}
{{- define "student-mlops.container" -}}
{{- $root := first . -}}
image: {{ include "student-mlops.image" . | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
  readOnlyRootFilesystem: true
{{- end }}

{{/* The part of a pod's spec that is the same everywhere; call with (list $ uid). Service links would put variables into
     pods that Airflow, MLflow and our settings take for their own. */}}
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

{{/* User of the pods of our own images. */}}
{{- define "student-mlops.user" }}10001{{ end }}

{{/* A key of a Secret, in base64: as it is in the cluster, else (at the first installation) `default` or 32 random letters;
     call with (list $ "Secret's name" "key" "default"). */}}
{{- define "student-mlops.kept" -}}
{{- $secret := lookup "v1" "Secret" (first .).Release.Namespace (index . 1) -}}
{{- dig "data" (index . 2) "" $secret | default ((index . 3) | default (randAlphaNum 32) | b64enc) }}
{{- end }}

{{/* A claim that outlives the release; call with (list $ "component" persistence). */}}
{{- define "student-mlops.claim" -}}
{{- $root := first . -}}
{{- $persistence := last . -}}
{{- if not $persistence.existingClaim }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "student-mlops.fullname" $root }}-{{ index . 1 }}
  labels: {{- include "student-mlops.labels" (list $root (index . 1)) | nindent 4 }}
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

{{/* Pods of a component spread over the nodes where that is possible; call with (list $ "component"). */}}
{{- define "student-mlops.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "student-mlops.selector" . | nindent 8 }}
{{- end }}

{{/* A setting's value as a variable's: whole numbers without Helm's exponent. */}}
{{- define "student-mlops.variable" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . | quote }}{{ else }}{{ . | quote }}{{ end }}
{{- end }}

{{/* The data alone of a ConfigMap's template, for checksums; call with (list $ "path"). */}}
{{- define "student-mlops.data" -}}
{{- (include (printf "%s/%s" (first .).Template.BasePath (last .)) (first .) | fromYaml).data | toJson }}
{{- end }}
