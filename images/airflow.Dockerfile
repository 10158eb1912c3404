# Airflow with the Kubernetes provider, the DAGs and the stage table. The stages' dependencies are
# not included.
#   docker build --file images/airflow.Dockerfile .
ARG PYTHON=python:3.13-slim-trixie@sha256:9662417aace5ae7b8e2609cce472b72a8958e134ba372808abe9cc1a0c0125e6

FROM ${PYTHON} AS uv
ARG UV=0.13.9
RUN pip install --no-cache-dir --root-user-action=ignore uv==${UV}
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1

FROM uv AS lock
COPY pyproject.toml uv.lock ./
RUN mkdir /lock \
 && uv export --quiet --frozen --no-annotate --no-header --only-group airflow \
    --output-file /lock/airflow.txt

FROM uv AS builder
WORKDIR /app
COPY images/layers.py /
COPY --from=lock /lock/ /lock/
RUN python /layers.py shared airflow

FROM uv AS code
WORKDIR /app
COPY images/layers.py /
COPY pipeline/__init__.py pipeline/errors.py pipeline/polling.py pipeline/secret_files.py pipeline/
COPY pipeline/stages/__init__.py pipeline/stages/
COPY pipeline/storage/__init__.py pipeline/storage/access.py pipeline/storage/layout.py \
  pipeline/storage/
COPY dags dags
RUN python /layers.py code dags.training dags.deployment dags.drift dags.compaction dags.scoring \
  dags.stop dags.resume pipeline.secret_files
# `kubectl exec POD -- airflow` reads the files of Secrets, too. The time makes equal layers.
RUN mkdir /image/code/app/bin \
 && printf '#!/bin/sh\nexec python -m pipeline.secret_files airflow "$@"\n' \
    > /image/code/app/bin/airflow \
 && chmod 755 /image/code/app/bin/airflow \
 && touch --date=@1000000000 /image/code/app/bin/airflow /image/code/app/bin /image/code/app

FROM ${PYTHON}
WORKDIR /app
COPY --from=builder /shared/airflow/ /
COPY --from=code /image/code/ /
ENV PATH=/app/bin:/app/.venv/bin:$PATH PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/tmp/airflow AIRFLOW__CORE__DAGS_FOLDER=/app/dags
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["airflow"]
