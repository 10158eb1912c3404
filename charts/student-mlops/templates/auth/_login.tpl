{{/* oauth2-proxy in front of MLflow and of the predictor, which logs people in and sends their ID
     token to the server behind it. */}}

{{/* The proxies, by the name of the server behind each: empty without an issuer. `routes` has the
     options for the paths that need no login at the proxy. The servers check all requests, and a
     request without a login keeps its own `Authorization`, so that programs use the same URLs. */}}
{{- define "student-mlops.logins" -}}
{{- $scheme := include "student-mlops.tls.scheme" . -}}
{{- if include "student-mlops.oidc" . }}
{{- if .Values.mlflow.enabled }}
mlflow:
  name: {{ include "student-mlops.mlflow.login.fullname" . }}
  upstream: {{ $scheme }}://{{ include "student-mlops.mlflow.internal.fullname" . }}:5000
  upstreamPort: 5000
  routes:
    - --skip-auth-route=^/(api/|health$|version$) # MLflow's client, and probes
    - --api-route=^/(ajax-api/|graphql$|get-artifact$) # requests of the page, which a redirect does not help
{{- end }}
{{- if .Values.predictor.enabled }}
predictor:
  name: {{ include "student-mlops.predictor.login.fullname" . }}
  upstream: {{ $scheme }}://{{ include "student-mlops.predictor.internal.fullname" . }}:{{ .Values.predictor.service.port }}
  upstreamPort: 8000
  routes:
    - --skip-auth-route=!=^/(docs|reports/.*)?$ # everything except what people open in a browser
{{- end }}
{{- end }}
{{- end }}

{{/* The names of the Services that lead to them, as a list. */}}
{{- define "student-mlops.login.services" -}}
{{- range $server := include "student-mlops.logins" . | fromYaml | keys | sortAlpha }}
- {{ include (printf "student-mlops.%s.fullname" $server) $ }}
{{- end }}
{{- end }}

{{/* Whether browsers reach a proxy by HTTPS: `true` or `false`. Without a public address they reach
     the pod itself. Call with (list $ values of the server behind it). */}}
{{- define "student-mlops.login.is-https" -}}
{{- $root := first . -}}
{{- $url := include "student-mlops.public-url" (last .) | default (include "student-mlops.tls.scheme" $root) -}}
{{ hasPrefix "https" $url }}
{{- end }}

{{/* Options of a proxy. Call with (list $ "server" proxy). */}}
{{- define "student-mlops.login.arguments" -}}
{{- $root := first . -}}
{{- $server := index $root.Values (index . 1) -}}
{{- $isHttps := include "student-mlops.login.is-https" (list $root $server) -}}
{{- with $root.Values.auth.oidc }}
- --provider=oidc
- --oidc-issuer-url={{ .issuer }}
- --client-id={{ .clientId }}
- --client-secret-file={{ include "student-mlops.secrets.folder" $root }}/OIDC_CLIENT_SECRET
- --scope={{ .scopes | join " " }}
- --code-challenge-method=S256
- --insecure-oidc-skip-nonce=false
- --approval-prompt=auto
- --oidc-email-claim=sub # an address is not needed, and would be in the logs
- --email-domain=*
- --skip-claims-from-profile-url=true
{{- with .logoutUrl }}
- --backend-logout-url={{ . }}?id_token_hint={id_token}
{{- end }}
{{- end }}
- --skip-provider-button=true
{{- with include "student-mlops.public-url" $server }}
- --redirect-url={{ . }}/oauth2/callback
{{- end }}
- --cookie-name={{ eq $isHttps "true" | ternary "__Host-" "" }}student-mlops
- --cookie-secret-file={{ include "student-mlops.secrets.folder" $root }}/OAUTH2_PROXY_COOKIE_SECRET
- --cookie-secure={{ $isHttps }}
- --cookie-samesite=lax
- --cookie-csrf-per-request=true # logins in several tabs
- --cookie-csrf-per-request-limit=5
- --cookie-expire=12h
- --cookie-refresh=2m # ID tokens are valid for at least five minutes at all common issuers
- --upstream={{ (last .).upstream }}
- --upstream-timeout=10m
- --pass-authorization-header=true
- --pass-basic-auth=false
- --pass-user-headers=false
- --skip-auth-strip-headers=false
{{- range (last .).routes }}
- {{ . }}
{{- end }}
{{- if include "student-mlops.tls" $root }}
- --http-address=-
- --https-address=:4180
- --tls-cert-file={{ include "student-mlops.tls.folder" $root }}/tls.crt
- --tls-key-file={{ include "student-mlops.tls.folder" $root }}/tls.key
{{- else }}
- --http-address=:4180
{{- end }}
- --ping-path=/oauth2/ping # /ping is a route of the predictor
- --ready-path=/oauth2/ready
- --silence-ping-logging=true
- --request-logging=false # the servers log requests; logins are logged
- --footer=-
{{- end }}
