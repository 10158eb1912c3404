"""docs/reference/images.md: what each image weighs, measured on the images that the local Docker has."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from k8s.images import artifacts
from k8s.kind_images import Blob, save
from k8s.process import ROOT
from pipeline.console import echo

PAGE = ROOT / "docs" / "reference" / "images.md"
HOLDS = {
    "stage": "dependency group `{name}`, the modules that `pipeline/{name}.py` imports",
    "predictor": "dependency group `serving`, `serving/` with what it imports of `pipeline/`",
    "mlflow": "MLflow's server, with PostgreSQL's and S3's clients",
    "airflow": "Airflow with the Kubernetes provider, `dags/`, `pipeline/stages/__init__.py`",
    "minio": "one static program, compiled from the Go module",
}
HEAD = """# Images

One image per stage and component, each by `images/KIND.Dockerfile`, on `python:3.13-slim-trixie` (MinIO: on nothing). All run as
user 10001 on a read-only root, with nothing in them that installs or compiles but the base image's own pip. `skaffold.yaml` lists
them; `make up` builds those whose files changed, tags each with the beginning of its id, and sends the nodes only the layers that
they lack.

Sizes are of the unpacked layers; *shared* are those that other images of the table have too. Written by `python -m k8s sizes`.

| image | MB | of it shared | its own | holds |
| --- | ---: | ---: | ---: | --- |
"""


def write(tags: Mapping[str, str]) -> None:
    """Writes the page for the images of these tags, which the local Docker has."""
    references = {f"{item.image}:{tags[item.name]}": item for item in artifacts()}
    with tempfile.TemporaryDirectory(prefix="sizes-") as folder:
        layers = {
            reference: blobs[1:]
            for reference, blobs in save(list(references), Path(folder), ()).items()
        }
    users = Counter(
        digest for blobs in layers.values() for digest in {blob.digest for blob in blobs}
    )
    distinct = {blob.digest: blob.size for blobs in layers.values() for blob in blobs}
    text = HEAD
    for reference, item in references.items():
        common = [blob for blob in layers[reference] if users[blob.digest] > 1]
        own = [blob for blob in layers[reference] if users[blob.digest] == 1]
        holds = HOLDS[item.dockerfile.name.partition(".")[0]].format(name=item.name)
        text += (
            f"| `{item.image}` | {_mb([*common, *own])} | {_mb(common)} | {_mb(own)} | {holds} |\n"
        )
    total = sum(blob.size for blobs in layers.values() for blob in blobs)
    text += f"\nTogether {total / 1e6:,.0f} MB, of which {sum(distinct.values()) / 1e6:,.0f} MB are distinct and go to a node.\n"
    PAGE.write_text(text + _kept(PAGE.read_text() if PAGE.exists() else ""))
    echo(f"{PAGE.relative_to(ROOT)} written")


def _mb(blobs: list[Blob]) -> str:
    return f"{sum(blob.size for blob in blobs) / 1e6:,.0f}"


def _kept(page: str) -> str:
    """The page from its first heading below the table on: times, which people measure."""
    _, heading, rest = page.partition("\n## ")
    return heading + rest
