{{/* Identities of the object store: one per stage, and one per other client. Only MinIO itself and the
     Job that creates the buckets have the administrator's keys. */}}

{{/* Name of the Secret with an identity's keys; empty if its pods have an identity of the cloud.
     Call with (list $ "identity"). */}}
{{- define "student-mlops.identity.secret" -}}
{{- $root := first . -}}
{{- $own := (index $root.Values.objectStore.identities (last .)).existingSecret -}}
{{- if $own }}{{ $own }}
{{- else if $root.Values.minio.enabled }}{{ include "student-mlops.identity.fullname" . }}
{{- else }}{{ $root.Values.objectStore.existingSecret }}
{{- end }}
{{- end }}

{{/* Service account of an identity's pods: one of its own if it has annotations, else the one that
     is given. Call with (list $ "identity" "name of the other account"). */}}
{{- define "student-mlops.identity.account" -}}
{{- $root := first . -}}
{{- $name := index . 1 -}}
{{- if (index $root.Values.objectStore.identities $name).serviceAccountAnnotations -}}
{{ include "student-mlops.identity.fullname" (list $root $name) }}
{{- else }}{{ last . }}
{{- end }}
{{- end }}
