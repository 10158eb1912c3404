# The image of one stage: its dependency group and the modules that it imports. images/layers.py
# makes equal parts of the stages' images equal layers.
#   docker build --build-arg STAGE=train --file images/stage.Dockerfile .
# COMMANDS may list the modules of further commands that run in the image, and EXTRA_GROUPS further
# dependency groups, such as lightgbm. Dask's workers have no stage: with STAGE=worker, MODULES
# lists their modules.
ARG PYTHON=python:3.13-slim-trixie@sha256:9662417aace5ae7b8e2609cce472b72a8958e134ba372808abe9cc1a0c0125e6

# The lists of packages are exported first: a change of pyproject.toml or uv.lock that changes none
# of them rebuilds nothing below.
FROM ${PYTHON} AS uv
ARG UV=0.13.9
RUN pip install --no-cache-dir --root-user-action=ignore uv==${UV}
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 \
    EXPORT="uv export --quiet --frozen --no-default-groups --no-annotate --no-header --output-file"

FROM uv AS lock
COPY pyproject.toml uv.lock ./
RUN mkdir -p /lock/shared && $EXPORT /lock/shared/base.txt \
 && for group in array frame science onnx tracking dask; do \
    $EXPORT /lock/shared/$group.txt --only-group $group || exit 1; done
ARG STAGE
ARG EXTRA_GROUPS=""
RUN $EXPORT /lock/stage.txt $(printf -- "--group %s " ${STAGE} ${EXTRA_GROUPS})

FROM uv AS builder
WORKDIR /app
COPY images/layers.py /
COPY --from=lock /lock/shared/ /lock/
RUN python /layers.py shared base array frame science onnx tracking dask
COPY --from=lock /lock/stage.txt /lock/
RUN python /layers.py image stage
# Wheels of LightGBM do not contain the OpenMP library that they need.
RUN if [ -d /image/rest/app/.venv/lib/python3*/site-packages/lightgbm ]; then \
    apt-get update && apt-get install --yes --no-install-recommends libgomp1 \
 && cp --parents --no-dereference /usr/lib/*/libgomp.so.1* /image/rest/; fi

FROM uv AS code
WORKDIR /app
COPY images/layers.py /
COPY pipeline pipeline
ARG STAGE
ARG COMMANDS=""
ARG MODULES=""
RUN python /layers.py code pipeline.__main__ ${MODULES:-pipeline.stages.${STAGE}} ${COMMANDS}

FROM ${PYTHON}
WORKDIR /app
COPY --from=builder /image/base/ /
COPY --from=builder /image/array/ /
COPY --from=builder /image/frame/ /
COPY --from=builder /image/science/ /
COPY --from=builder /image/onnx/ /
COPY --from=builder /image/tracking/ /
COPY --from=builder /image/dask/ /
COPY --from=builder /image/rest/ /
COPY --from=code /image/code/ /
ARG CODE_VERSION=unknown
ENV MLOPS_CODE_VERSION=${CODE_VERSION} PATH=/app/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["python", "-m", "pipeline"]
