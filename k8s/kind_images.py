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
import posixpath
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from k8s.process import ClusterError, indent_tail, read_output
from pipeline.console import echo

IMPORT_TIMEOUT_SECONDS = 1200
CTR = ("ctr", "--namespace=k8s.io")
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
COMPRESSIONS = {b"\x1f\x8b": "+gzip", b"\x28\xb5\x2f\xfd": "+zstd"}
"""The suffix of a layer's media type, by the first bytes of the file."""
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Blob:
    """A file of an image: its configuration or a layer; `path` is None if it is not stored."""

    digest: str
    size: int
    media_type: str
    path: Path | None

    @property
    def descriptor(self) -> dict[str, Any]:
        """The OCI descriptor of the blob."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


def normalize_reference(reference: str) -> str:
    """An image reference with its registry, as containerd stores it."""
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
            sent = send(node, {ref: images[ref] for ref in lacking}, blobs[node])
            seconds = time.monotonic() - start
            echo(f"{node}: {len(lacking)} images, {sent / 1e6:.1f} MB sent, {seconds:.0f} s")


def list_images(node: str) -> set[str]:
    """The names of the images that a node has."""
    return set(read_output("docker", "exec", node, *CTR, "images", "list", "--quiet").split())


def list_blobs(node: str) -> set[str]:
    """The digests of the blobs in a node's content store."""
    return set(read_output("docker", "exec", node, *CTR, "content", "list", "--quiet").split())


def save(
    references: Sequence[str], folder: Path, unwanted: Collection[str]
) -> dict[str, list[Blob]]:
    """Save images of the local Docker to a folder.

    Args:
        references: The images.
        folder: Where the blobs are stored.
        unwanted: Digests of blobs that are not stored.

    Returns:
        The blobs of each image, by reference; the configuration comes first.

    Raises:
        ClusterError: If `docker save` failed.
    """
    process = subprocess.Popen(
        ["docker", "save", *references], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        return unpack(process.stdout, folder, unwanted)
    except tarfile.ReadError:
        process.kill()
        message = process.stderr.read().decode()
        raise ClusterError(f"docker save failed:\n{indent_tail(message)}") from None
    finally:
        process.stdout.close()
        process.stderr.close()
        process.wait(timeout=60)


def unpack(archive: IO[bytes], folder: Path, unwanted: Collection[str]) -> dict[str, list[Blob]]:
    """Unpack an archive of `docker save`.

    Docker before 25 names files by its own ids and stores a repeated layer as a link. Later
    versions write an OCI image layout. Both list the files in manifest.json.

    Args:
        archive: The archive, read as a stream.
        folder: Where the blobs are stored.
        unwanted: Digests of blobs that are not stored.

    Returns:
        The blobs of each image, by reference; the configuration comes first.
    """
    members: dict[str, Blob] = {}
    links: dict[str, str] = {}
    manifests: list[dict[str, Any]] = []
    with tarfile.open(fileobj=archive, mode="r|") as files:
        for member in files:
            if member.issym() or member.islnk():
                target = posixpath.join(posixpath.dirname(member.name), member.linkname)
                links[member.name] = posixpath.normpath(target)
            elif member.isfile() and (file := files.extractfile(member)):
                if member.name == "manifest.json":
                    manifests = json.load(file)
                else:
                    members[member.name] = store(file, folder, unwanted)
    images: dict[str, list[Blob]] = {}
    for entry in manifests:
        blobs = [members[links.get(name, name)] for name in (entry["Config"], *entry["Layers"])]
        images |= dict.fromkeys(entry["RepoTags"], blobs)
    return images


def store(file: IO[bytes], folder: Path, unwanted: Collection[str]) -> Blob:
    """Copy a member of the archive into the folder, unless its digest is unwanted."""
    sha256, size, start = hashlib.sha256(), 0, b""
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as copy:
        while chunk := file.read(CHUNK_BYTES):
            start = start or chunk[:4]
            sha256.update(chunk)
            copy.write(chunk)
            size += len(chunk)
    path: Path | None = Path(copy.name)
    digest = f"sha256:{sha256.hexdigest()}"
    suffixes = (suffix for magic, suffix in COMPRESSIONS.items() if start.startswith(magic))
    if digest in unwanted:
        Path(copy.name).unlink()
        path = None
    return Blob(digest, size, LAYER + next(suffixes, ""), path)


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
        with tarfile.open(fileobj=process.stdin, mode="w|") as archive:
            for name, data in make_layout(images, present):
                info = tarfile.TarInfo(name)
                info.size = data.stat().st_size if isinstance(data, Path) else len(data)
                sent += info.size
                with data.open("rb") if isinstance(data, Path) else io.BytesIO(data) as file:
                    archive.addfile(info, file)
        process.stdin.close()
    except BrokenPipeError:
        pass  # the import failed; its output says why
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
