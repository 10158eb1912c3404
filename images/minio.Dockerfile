# MinIO, compiled from its Go module: upstream publishes no images any more.
#   docker build --file images/minio.Dockerfile images
# A program images/programs/minio-VERSION is taken in place of compiling; GO need not hold Go then.
ARG GO=golang:1.26-trixie

FROM ${GO} AS builder
ARG MINIO=v0.0.0-20260212201848-7aac2a2c5b7c
COPY minio.Dockerfile programs* /programs/
RUN if [ -e /programs/minio-${MINIO} ]; then install -D /programs/minio-${MINIO} /go/bin/minio; \
    else CGO_ENABLED=0 GOBIN=/go/bin go install -trimpath -ldflags '-s -w' github.com/minio/minio@${MINIO}; fi

FROM scratch
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=builder /go/bin/minio /bin/
ENV PATH=/bin
USER 10001:10001
EXPOSE 9000 9001
ENTRYPOINT ["minio"]
