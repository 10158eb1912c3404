# oauth2-proxy, compiled from its Go module like MinIO. Only single sign-on needs it.
#   docker build --file images/oauth2-proxy.Dockerfile images
# If images/programs/oauth2-proxy-VERSION exists, it is copied instead, and GO needs no Go.
ARG GO=golang:1.26-trixie@sha256:4ee9ffa999b4583ce281939cdff828763083610292f252279a0cee77473bd9a7

FROM ${GO} AS builder
ARG OAUTH2_PROXY=v7.15.6
COPY oauth2-proxy.Dockerfile programs/oauth2-proxy-* /programs/
RUN if [ -e /programs/oauth2-proxy-${OAUTH2_PROXY} ]; \
    then install -D /programs/oauth2-proxy-${OAUTH2_PROXY} /go/bin/oauth2-proxy; \
    else CGO_ENABLED=0 GOBIN=/go/bin go install -trimpath -ldflags '-s -w' \
      github.com/oauth2-proxy/oauth2-proxy/v7@${OAUTH2_PROXY}; fi

FROM scratch
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=builder /go/bin/oauth2-proxy /bin/
ENV PATH=/bin
USER 10001:10001
EXPOSE 4180
ENTRYPOINT ["oauth2-proxy"]
