"""Write docs/reference/images.md: the size of each image, measured on the local Docker."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from k8s.docker_archive import Blob, save
from k8s.images import Artifact, list_artifacts
from k8s.process import ROOT, ClusterError
from pipeline.console import echo

PAGE = ROOT / "docs" / "reference" / "images.md"
CONTENTS = {
    "stage": "dependency group `{name}`, the modules that `pipeline/stages/{name}.py` imports",
    "worker": "dependency group `worker`, the modules whose functions stages call on workers",
    "predictor": "dependency group `serving`, the modules that `serving/` imports",
    "mlflow": "the MLflow server with clients for PostgreSQL and S3",
    "airflow": "Airflow with the Kubernetes provider, `dags/`, `pipeline/stages/__init__.py`",
    "minio": "one static program, compiled from the Go module",
    "oauth2-proxy": "one static program, compiled from the Go module; only for single sign-on",
}
HEAD = """# Images

There is one image per stage and component, built from `images/KIND.Dockerfile` on
`python:3.13-slim-trixie`, and those of Go programs on an empty image. All run as user 10001 on a
read-only root. They have no installer or compiler except pip, which comes with the base image.
`skaffold.yaml` lists the images. `make up` builds those that the values need and whose files
changed, tags each with the start of its id, and sends the nodes only the layers that they lack.

Sizes are of the unpacked layers. *Shared* layers are also in other images of the table. This page
is written by `python -m k8s sizes`.

| image | MB | shared | own | contents |
| --- | ---: | ---: | ---: | --- |
"""


def write(tags: Mapping[str, str]) -> None:
    """Write the page.

    Args:
        tags: The tag of each image in the local Docker, by artifact name.

    Raises:
        ClusterError: If an image is missing.
    """
    artifacts = list_artifacts()
    if missing := [item.name for item in artifacts if item.name not in tags]:
        raise ClusterError(
            f"The images of {', '.join(missing)} have not been built. "
            "`python -m k8s images` builds them."
        )
    references = {f"{item.image}:{tags[item.name]}": item for item in artifacts}
    with tempfile.TemporaryDirectory(prefix="sizes-") as folder:
        saved = save(list(references), Path(folder), ())
    layers = {reference: blobs[1:] for reference, blobs in saved.items()}
    kept = _read_measurements(PAGE.read_text() if PAGE.exists() else "")
    PAGE.write_text(HEAD + make_table(references, layers) + kept)
    echo(f"{PAGE.relative_to(ROOT)} written")


def make_table(references: Mapping[str, Artifact], layers: Mapping[str, list[Blob]]) -> str:
    """Return the rows of the table, and the total.

    Args:
        references: The artifact of each image, by reference.
        layers: The layers of each image, by reference.
    """
    users = Counter(
        digest for blobs in layers.values() for digest in {blob.digest for blob in blobs}
    )
    rows = []
    for reference, item in references.items():
        shared = [blob for blob in layers[reference] if users[blob.digest] > 1]
        own = [blob for blob in layers[reference] if users[blob.digest] == 1]
        kind = item.name if item.name in CONTENTS else item.dockerfile.name.partition(".")[0]
        contents = CONTENTS[kind].format(name=item.name)
        sizes = " | ".join(map(_format_size, ([*shared, *own], shared, own)))
        rows.append(f"| `{item.image}` | {sizes} | {contents} |\n")
    every = [blob for blobs in layers.values() for blob in blobs]
    distinct = {blob.digest: blob for blob in every}.values()
    return (
        f"{''.join(rows)}\nThe images add up to {_format_size(every)} MB. "
        f"Without repeated layers, {_format_size(distinct)} MB go to a node.\n"
    )


def _format_size(blobs: Iterable[Blob]) -> str:
    return f"{sum(blob.size for blob in blobs) / 1e6:,.0f}"


def _read_measurements(page: str) -> str:
    """Return the sections below the table, which are written by hand."""
    _, heading, rest = page.partition("\n## ")
    return heading + rest
