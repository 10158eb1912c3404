# MLflow's tracking server with clients for PostgreSQL and S3. images/layers.py makes the layers
# equal to those of the stages' images.
#   docker build --file images/mlflow.Dockerfile .
ARG PYTHON=python:3.13-slim-trixie@sha256:9662417aace5ae7b8e2609cce472b72a8958e134ba372808abe9cc1a0c0125e6

FROM ${PYTHON} AS uv
ARG UV=0.13.9
RUN pip install --no-cache-dir --root-user-action=ignore uv==${UV}
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 \
    EXPORT="uv export --quiet --frozen --no-default-groups --no-annotate --no-header --output-file"

FROM uv AS lock
COPY pyproject.toml uv.lock ./
RUN mkdir /lock && $EXPORT /lock/base.txt \
 && for group in array frame science; do \
    $EXPORT /lock/$group.txt --only-group $group || exit 1; done \
 && $EXPORT /lock/mlflow.txt --group mlflow

FROM uv AS builder
WORKDIR /app
COPY images/layers.py /
COPY --from=lock /lock/ /lock/
RUN python /layers.py shared base array frame science \
 && python /layers.py image mlflow

FROM uv AS code
WORKDIR /app
COPY images/layers.py /
COPY pipeline/__init__.py pipeline/errors.py pipeline/secret_files.py pipeline/
RUN python /layers.py code pipeline.secret_files

FROM ${PYTHON}
WORKDIR /app
COPY --from=builder /image/base/ /
COPY --from=builder /image/array/ /
COPY --from=builder /image/frame/ /
COPY --from=builder /image/science/ /
COPY --from=builder /image/rest/ /
COPY --from=code /image/code/ /
ENV PATH=/app/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 5000
ENTRYPOINT ["mlflow"]
