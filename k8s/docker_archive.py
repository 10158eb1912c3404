"""Read images of the local Docker from the archive of `docker save`."""

from __future__ import annotations

import hashlib
import json
import posixpath
import subprocess
import tarfile
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from k8s.process import ClusterError, indent_tail

LAYER = "application/vnd.oci.image.layer.v1.tar"
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
