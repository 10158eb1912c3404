{{/* Ways to a web interface from outside the cluster, with TLS at the controller or the gateway. */}}

{{/* Ingress with the name of the component, which stays when its Service changes: two Ingresses with
     the same host would be refused.
     Call with (list $ "component" "name of the Service" "name of its port" values). */}}
{{- define "student-mlops.ingress" -}}
{{- $root := first . -}}
{{- $ingress := last . -}}
{{- if $ingress.enabled }}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ include "student-mlops.fullname" $root }}-{{ index . 1 }}
  labels: {{- include "student-mlops.labels" (list $root (index . 1)) | nindent 4 }}
  {{- with $ingress.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- with $ingress.tlsSecretName }}
  tls:
    - hosts: [{{ $ingress.host | quote }}]
      secretName: {{ . }}
  {{- end }}
  rules:
    - host: {{ $ingress.host | quote }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {{ index . 2 }}
                port: {name: {{ index . 3 }}}
{{- end }}
{{- end }}

{{/* Route of the Gateway API. Call with (list $ "component" "name of the Service" port values). */}}
{{- define "student-mlops.httproute" -}}
{{- $root := first . -}}
{{- $route := last . -}}
{{- if $route.enabled }}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ include "student-mlops.fullname" $root }}-{{ index . 1 }}
  labels: {{- include "student-mlops.labels" (list $root (index . 1)) | nindent 4 }}
spec:
  parentRefs: {{- toYaml $route.parentRefs | nindent 4 }}
  hostnames: [{{ $route.host | quote }}]
  rules:
    - backendRefs:
        - name: {{ index . 2 }}
          port: {{ index . 3 }}
{{- end }}
{{- end }}

{{/* URL of a web interface from outside the cluster, or empty. A gateway is expected to have TLS.
     Call with the component's values. */}}
{{- define "student-mlops.public-url" -}}
{{- if .ingress.enabled }}{{ empty .ingress.tlsSecretName | ternary "http" "https" }}://{{ .ingress.host }}
{{- else if .httpRoute.enabled }}https://{{ .httpRoute.host }}
{{- end }}
{{- end }}
