{{/* Secrets as files. The program of a container reads each file as if it were the variable of the
     same name (pipeline/secret_files.py). The templates volume, mount and variable are empty without
     Secrets; call them with (list "name of the volume" "name of a Secret" ...), and names may be
     empty. */}}

{{/* Where containers mount them. */}}
{{- define "student-mlops.secrets.folder" }}/run/secrets/student-mlops{{ end }}

{{/* Volume with all keys of the Secrets. Of equal keys the last one counts. */}}
{{- define "student-mlops.secrets.volume" -}}
{{- $sources := list -}}
{{- range rest . | compact -}}
{{- $sources = append $sources (dict "name" .) -}}
{{- end -}}
{{- with $sources }}
{{- include "student-mlops.secrets.sources" (list (first $) . (dict)) }}
{{- end }}
{{- end }}

{{/* Volume with chosen keys of Secrets, without those that a variable replaces: a Secret need not have
     them. Call with (list "name of the volume" list of the sources, the variables). */}}
{{- define "student-mlops.secrets.sources" }}
{{- $variables := last . }}
{{- $sources := list }}
{{- range $source := index . 1 }}
  {{- $items := list }}
  {{- range $source.items }}
    {{- if not (hasKey $variables .path) }}
      {{- $items = append $items . }}
    {{- end }}
  {{- end }}
  {{- if $items }}
    {{- $source = set (omit $source "items") "items" $items }}
  {{- end }}
  {{- if or $items (not $source.items) }}
    {{- $sources = append $sources (dict "secret" $source) }}
  {{- end }}
{{- end }}
- name: {{ first . }}
  projected:
    defaultMode: 0440
    sources: {{- toYaml $sources | nindent 6 }}
{{- end }}

{{/* Mount of the volume. */}}
{{- define "student-mlops.secrets.mount" -}}
{{- if rest . | compact }}
- {name: {{ first . }}, mountPath: {{ include "student-mlops.secrets.folder" . }}, readOnly: true}
{{- end }}
{{- end }}

{{/* Item of `env` that names the folder. */}}
{{- define "student-mlops.secrets.variable" -}}
{{- if rest . | compact }}
- {name: MLOPS_SECRETS_FOLDER, value: {{ include "student-mlops.secrets.folder" . }}}
{{- end }}
{{- end }}
