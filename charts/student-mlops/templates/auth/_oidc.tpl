{{/* Single sign-on by OpenID Connect. */}}

{{/* `true` if people log in at an issuer, else empty. */}}
{{- define "student-mlops.oidc" }}{{ if .Values.auth.oidc.issuer }}true{{ end }}{{ end }}

{{/* Variables of the servers that check ID tokens; empty without an issuer. */}}
{{- define "student-mlops.oidc.variables" -}}
{{- if include "student-mlops.oidc" . }}
{{- with .Values.auth.oidc }}
OIDC_ISSUER: {{ .issuer | quote }}
OIDC_CLIENT_ID: {{ .clientId | quote }}
OIDC_ROLES_CLAIM: {{ .rolesClaim | quote }}
OIDC_ROLES: {{ toJson .roles | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The same as settings of the predictor. */}}
{{- define "student-mlops.oidc.predictor-variables" -}}
{{- with include "student-mlops.oidc.variables" . | fromYaml }}
MLOPS_PREDICTOR__OIDC__ISSUER: {{ .OIDC_ISSUER | quote }}
MLOPS_PREDICTOR__OIDC__CLIENT_ID: {{ .OIDC_CLIENT_ID | quote }}
MLOPS_PREDICTOR__OIDC__ROLES_CLAIM: {{ .OIDC_ROLES_CLAIM | quote }}
MLOPS_PREDICTOR__OIDC__ROLES: {{ .OIDC_ROLES | quote }}
{{- end }}
{{- end }}

{{/* Egress rule to the issuer; empty without one. */}}
{{- define "student-mlops.toIssuer" -}}
{{- with .Values.auth.oidc }}
{{- if .issuer }}
- ports:
    - {port: {{ include "student-mlops.urlPort" .issuer }}, protocol: TCP}
  to:
    {{- if .peers }}
    {{- toYaml .peers | nindent 4 }}
    {{- else }} {{- /* everything except the nodes' metadata services */}}
    - namespaceSelector: {}
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}
    - ipBlock: {cidr: "::/0", except: ["fd00:ec2::/32", "fe80::/10"]}
    {{- end }}
{{- end }}
{{- end }}
{{- end }}
