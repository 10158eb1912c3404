"""Load images from the local Docker into the nodes of a kind cluster, without a registry.

`docker save` writes every layer of every image. Only the layers that a node lacks are sent to it,
in one archive for all images: a shared layer is sent once, and a change of code sends a few
kilobytes. The archive is an OCI image layout. containerd imports it as long as its content store
has the layers that the archive leaves out.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from k8s.docker_archive import Blob, save
from k8s.process import ClusterError, indent_tail, read_output
from pipeline.console import echo

IMPORT_TIMEOUT_SECONDS = 1200
STORE = "/var/lib/containerd"
CTR = ("ctr", "--namespace=k8s.io")
SPACE_FACTOR = 2.2
"""Disk that an import needs, as a multiple of the blobs: they are stored packed and unpacked."""
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def normalize_reference(reference: str) -> str:
    """Return an image reference with its registry, as containerd stores it."""
    first, slash, _ = reference.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return reference
    return f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"


def load(references: Sequence[str], nodes: Sequence[str]) -> None:
    """Load every image into every node that lacks it.

    Args:
        references: Images of the local Docker, REPOSITORY:TAG.
        nodes: Names of the nodes' containers.

    Raises:
        ClusterError: If Docker lacks an image, or a node fails to import one.
    """
    start = time.monotonic()
    missing: dict[str, list[str]] = {}
    for node in nodes:
        present = list_images(node)
        missing[node] = [ref for ref in references if normalize_reference(ref) not in present]
    wanted = [ref for ref in references if any(ref in lacking for lacking in missing.values())]
    if not wanted:
        echo(f"nodes: all {len(references)} images are loaded")
        return
    blobs = {node: list_blobs(node) for node in nodes}
    with tempfile.TemporaryDirectory(prefix="images-") as folder:
        images = save(wanted, Path(folder), set.intersection(*blobs.values()))
        for node, lacking in missing.items():
            if not lacking:
                continue
            needed = {ref: images[ref] for ref in lacking}
            check_space(measure(needed, blobs[node]), measure_free_space(node), node)
            sent = send(node, needed, blobs[node])
            seconds = time.monotonic() - start
            echo(f"{node}: {len(lacking)} images, {sent / 1e6:.1f} MB sent, {seconds:.0f} s")


def list_images(node: str) -> set[str]:
    """Return the names of the images that a node has."""
    return set(read_output("docker", "exec", node, *CTR, "images", "list", "--quiet").split())


def list_blobs(node: str) -> set[str]:
    """Return the digests of the blobs in a node's content store."""
    return set(read_output("docker", "exec", node, *CTR, "content", "list", "--quiet").split())


def measure_free_space(node: str) -> int:
    """Return the free disk space of a node's image store in bytes."""
    output = read_output("docker", "exec", node, "df", "--block-size=1", "--output=avail", STORE)
    return int(output.split()[-1])


def measure(images: dict[str, list[Blob]], present: Collection[str]) -> int:
    """Return the bytes of the blobs that the images have and the node lacks."""
    sizes = {blob.digest: blob.size for blobs in images.values() for blob in blobs}
    return sum(size for digest, size in sizes.items() if digest not in present)


def check_space(size: int, free: int, node: str) -> None:
    """Check that a node has disk space for blobs of this size.

    Args:
        size: The size of the blobs in bytes.
        free: The free disk space of the node in bytes.
        node: The name of the node's container.

    Raises:
        ClusterError: If the space is not enough.
    """
    needed = SPACE_FACTOR * size
    if free < needed:
        raise ClusterError(
            f"{node} has {free / 1e9:.1f} GB of disk space; its new images need"
            f" {needed / 1e9:.1f} GB. `docker system df` shows what uses the disk, and `docker"
            " image prune` removes images that no tag names."
        )


def send(node: str, images: dict[str, list[Blob]], present: Collection[str]) -> int:
    """Import images into a node, without the blobs that it has.

    Args:
        node: The name of the node's container.
        images: The blobs of each image, by reference.
        present: The digests of the blobs that the node has.

    Returns:
        The number of bytes sent.

    Raises:
        ClusterError: If the import failed or timed out.
    """
    command = ["docker", "exec", "--interactive", node, *CTR]
    command += ["images", "import", "--snapshotter=overlayfs", "-"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdin is not None and process.stdout is not None
    sent = 0
    try:
        sent = _write_archive(process.stdin, make_layout(images, present))
        process.stdin.close()
    except BrokenPipeError:
        pass  # the import failed; its output has the reason
    with process.stdout:
        try:
            exit_code = process.wait(timeout=IMPORT_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise ClusterError(
                f"{node} did not import the images within {IMPORT_TIMEOUT_SECONDS} s"
            ) from None
        if exit_code != 0:
            message = process.stdout.read().decode()
            raise ClusterError(f"{node} could not import the images:\n{indent_tail(message)}")
    return sent


def _write_archive(stream: IO[bytes], files: Iterable[tuple[str, bytes | Path]]) -> int:
    """Write files as a tar archive; return the sum of their sizes."""
    written = 0
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = data.stat().st_size if isinstance(data, Path) else len(data)
            written += info.size
            with data.open("rb") if isinstance(data, Path) else io.BytesIO(data) as file:
                archive.addfile(info, file)
    return written


def make_layout(
    images: dict[str, list[Blob]], present: Collection[str]
) -> Iterator[tuple[str, bytes | Path]]:
    """Make the files of an OCI image layout.

    Args:
        images: The blobs of each image, by reference.
        present: The digests of the blobs to leave out.

    Yields:
        The name of each file, with its content or the path of a file with it.
    """
    entries: list[dict[str, Any]] = []
    written = set(present)
    for reference, (config, *layers) in images.items():
        content = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor | {"mediaType": CONFIG},
            "layers": [layer.descriptor for layer in layers],
        }
        manifest = json.dumps(content).encode()
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        entries.append(
            {
                "mediaType": MANIFEST,
                "digest": digest,
                "size": len(manifest),
                "annotations": {"io.containerd.image.name": normalize_reference(reference)},
            }
        )
        for blob in (config, *layers):
            if blob.digest not in written and blob.path is not None:
                written.add(blob.digest)
                yield _get_blob_name(blob.digest), blob.path
        if digest not in written:
            written.add(digest)
            yield _get_blob_name(digest), manifest
    yield "index.json", json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    yield "oci-layout", b'{"imageLayoutVersion": "1.0.0"}'


def _get_blob_name(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"
