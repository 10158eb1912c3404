# MinIO, compiled from its Go module: upstream no longer publishes images.
#   docker build --file images/minio.Dockerfile images
# If images/programs/minio-VERSION exists, it is copied instead, and the image GO needs no Go.
ARG GO=golang:1.26-trixie@sha256:4ee9ffa999b4583ce281939cdff828763083610292f252279a0cee77473bd9a7

FROM ${GO} AS builder
ARG MINIO=v0.0.0-20260212201848-7aac2a2c5b7c
COPY minio.Dockerfile programs/minio-* /programs/
RUN if [ -e /programs/minio-${MINIO} ]; \
    then install -D /programs/minio-${MINIO} /go/bin/minio; \
    else CGO_ENABLED=0 GOBIN=/go/bin go install -trimpath -ldflags '-s -w' \
      github.com/minio/minio@${MINIO}; fi

FROM scratch
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=builder /go/bin/minio /bin/
ENV PATH=/bin
USER 10001:10001
EXPOSE 9000 9001
ENTRYPOINT ["minio"]
