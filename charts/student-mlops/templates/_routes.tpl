{{/* Ways to a web interface from outside the cluster: by the Service itself, or by a controller or a
     gateway, which has the certificate. */}}

{{/* The two Services of MLflow or of the predictor. The public one has the node port or the load
     balancer. With single sign-on it leads to the login instead of the server. It keeps its name
     then, because a node port cannot move to another Service in one upgrade. The platform's pods and
     the login use the internal one, which always leads to the server.
     Call with (list $ "server" port). */}}
{{- define "student-mlops.services" -}}
{{- $root := first . -}}
{{- $server := index . 1 -}}
{{- $service := (index $root.Values $server).service -}}
{{- $public := include "student-mlops.oidc" $root | empty | ternary $server (printf "%s-login" $server) -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include (printf "student-mlops.%s.fullname" $server) $root }}
  labels: {{- include "student-mlops.labels" (list $root $server) | nindent 4 }}
spec:
  type: {{ $service.type }}
  selector: {{- include "student-mlops.selector" (list $root $public) | nindent 4 }}
  ports:
    - name: http
      port: {{ last . }}
      targetPort: http
      {{- with $service.nodePort }}
      nodePort: {{ . }}
      {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include (printf "student-mlops.%s.internal.fullname" $server) $root }}
  labels: {{- include "student-mlops.labels" (list $root $server) | nindent 4 }}
spec:
  selector: {{- include "student-mlops.selector" (list $root $server) | nindent 4 }}
  ports:
    - {name: http, port: {{ last . }}, targetPort: http}
{{- end }}

{{/* Ingress to a component's Service. Call with (list $ "component" "name of its port" values). */}}
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
                name: {{ include "student-mlops.fullname" $root }}-{{ index . 1 }}
                port: {name: {{ index . 2 }}}
{{- end }}
{{- end }}

{{/* Route of the Gateway API to a component's Service. Call with (list $ "component" port values). */}}
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
        - name: {{ include "student-mlops.fullname" $root }}-{{ index . 1 }}
          port: {{ index . 2 }}
{{- end }}
{{- end }}

{{/* URL of a web interface from outside the cluster, or empty. An Ingress has TLS, and a gateway is
     expected to have it. Call with the component's values. */}}
{{- define "student-mlops.public-url" -}}
{{- if .ingress.enabled }}https://{{ .ingress.host }}
{{- else if .httpRoute.enabled }}https://{{ .httpRoute.host }}
{{- end }}
{{- end }}
