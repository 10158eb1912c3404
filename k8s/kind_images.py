"""Images from the local Docker into the nodes of a kind cluster, without a registry: what a node has is not sent again.

`docker save` writes every layer of every image. Of these only the ones that a node lacks go on to it, in one archive for
all images: a layer that images share goes once, and after a change of code a few kilobytes do. The archive is an OCI
image layout, which containerd imports as long as its content store holds what the archive leaves out.
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

from k8s.process import ClusterError, output, tail
from pipeline.console import echo

SECONDS = 1200
"""Bound on sending one archive to a node."""
CTR = ("ctr", "--namespace=k8s.io")
LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MAGIC = {b"\x1f\x8b": "+gzip", b"\x28\xb5\x2f\xfd": "+zstd"}


@dataclass(frozen=True)
class Blob:
    """A file of an image, by its digest; `path` is None once nobody needs its bytes."""

    digest: str
    size: int
    media: str
    path: Path | None

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media, "digest": self.digest, "size": self.size}


def full_name(reference: str) -> str:
    """A reference as containerd writes it."""
    first, slash, _ = reference.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return reference
    return f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"


def load(references: Sequence[str], nodes: Sequence[str]) -> None:
    """Every image onto every node.

    Raises:
        ClusterError: Docker has no such image, or a node does not take it.
    """
    start = time.monotonic()
    lacking = {
        node: [ref for ref in references if full_name(ref) not in names_on(node)] for node in nodes
    }
    wanted = [ref for ref in references if any(ref in missing for missing in lacking.values())]
    if not wanted:
        echo(f"nodes: all {len(references)} images are there")
        return
    blobs_of = {node: blobs_on(node) for node in nodes}
    everywhere = set.intersection(*blobs_of.values())
    with tempfile.TemporaryDirectory(prefix="images-") as folder:
        images = save(wanted, Path(folder), everywhere)
        for node, missing in lacking.items():
            if not missing:
                continue
            sent = send(node, {ref: images[ref] for ref in missing}, blobs_of[node])
            echo(
                f"{node}: {len(missing)} images, {sent / 1e6:.1f} MB sent, {time.monotonic() - start:.0f} s"
            )


def names_on(node: str) -> set[str]:
    """Names of the images that a node has."""
    return set(output("docker", "exec", node, *CTR, "images", "list", "--quiet").split())


def blobs_on(node: str) -> set[str]:
    """Digests of what a node's content store holds."""
    return set(output("docker", "exec", node, *CTR, "content", "list", "--quiet").split())


def save(
    references: Sequence[str], folder: Path, unwanted: Collection[str]
) -> dict[str, list[Blob]]:
    """The images' files by reference, see `unpack`."""
    process = subprocess.Popen(
        ["docker", "save", *references], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        return unpack(process.stdout, folder, unwanted)
    except tarfile.ReadError:
        process.kill()
        raise ClusterError(f"docker save failed:\n{tail(process.stderr.read().decode())}") from None
    finally:
        process.stdout.close()
        process.wait(timeout=60)


def unpack(archive: IO[bytes], folder: Path, unwanted: Collection[str]) -> dict[str, list[Blob]]:
    """The files of each image in an archive of `docker save`, the configuration first.

    Bytes are kept in `folder`, but for those of layers whose digest is in `unwanted`. Docker before 25 names files by
    ids of its own and links a layer that comes twice; later ones write an OCI image layout. Both list files in manifest.json.
    """
    members: dict[str, Blob] = {}
    links: dict[str, str] = {}
    manifests: list[dict[str, Any]] = []
    with tarfile.open(fileobj=archive, mode="r|") as files:
        for member in files:
            if member.issym() or member.islnk():
                links[member.name] = posixpath.normpath(
                    posixpath.join(posixpath.dirname(member.name), member.linkname)
                )
            elif member.isfile() and (file := files.extractfile(member)):
                if member.name == "manifest.json":
                    manifests = json.load(file)
                else:
                    members[member.name] = keep(file, folder, unwanted)
    images: dict[str, list[Blob]] = {}
    for entry in manifests:
        blobs = [members[links.get(name, name)] for name in (entry["Config"], *entry["Layers"])]
        images |= dict.fromkeys(entry["RepoTags"], blobs)
    return images


def keep(file: IO[bytes], folder: Path, unwanted: Collection[str]) -> Blob:
    """Copies a member of the archive into the folder, under its digest."""
    digest, size = hashlib.sha256(), 0
    first = b""
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as copy:
        while chunk := file.read(1 << 20):
            first = first or chunk[:4]
            digest.update(chunk)
            copy.write(chunk)
            size += len(chunk)
    path, name = Path(copy.name), f"sha256:{digest.hexdigest()}"
    media = LAYER + next((suffix for magic, suffix in MAGIC.items() if first.startswith(magic)), "")
    if name in unwanted:
        path.unlink()
        return Blob(name, size, media, None)
    return Blob(name, size, media, path)


def send(node: str, images: dict[str, list[Blob]], present: Collection[str]) -> int:
    """Streams the images to a node, without the blobs that it has; returns how many bytes that took."""
    command = [
        "docker",
        "exec",
        "--interactive",
        node,
        *CTR,
        "images",
        "import",
        "--snapshotter=overlayfs",
        "-",
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=False
    )
    assert process.stdin is not None and process.stdout is not None
    sent = 0
    try:
        with tarfile.open(fileobj=process.stdin, mode="w|") as archive:
            for name, data in layout(images, present):
                info = tarfile.TarInfo(name)
                info.size = data.stat().st_size if isinstance(data, Path) else len(data)
                sent += info.size
                with data.open("rb") if isinstance(data, Path) else io.BytesIO(data) as file:
                    archive.addfile(info, file)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it says why below
    try:
        code = process.wait(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise ClusterError(f"{node} did not take the images within {SECONDS} s") from None
    if code != 0:
        raise ClusterError(
            f"{node} did not take the images:\n{tail(process.stdout.read().decode())}"
        )
    return sent


def layout(
    images: dict[str, list[Blob]], present: Collection[str]
) -> Iterator[tuple[str, bytes | Path]]:
    """The files of an OCI image layout, without the blobs that are present."""
    entries, written = [], set(present)
    for reference, (configuration, *layers) in images.items():
        described = {
            **configuration.descriptor,
            "mediaType": "application/vnd.oci.image.config.v1+json",
        }
        content = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described,
            "layers": [layer.descriptor for layer in layers],
        }
        manifest = json.dumps(content).encode()
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        name = {"io.containerd.image.name": full_name(reference)}
        entries.append(
            {"mediaType": MANIFEST, "digest": digest, "size": len(manifest), "annotations": name}
        )
        for blob in (configuration, *layers):
            if blob.digest not in written and blob.path is not None:
                written.add(blob.digest)
                yield f"blobs/sha256/{blob.digest[7:]}", blob.path
        if digest not in written:
            written.add(digest)
            yield f"blobs/sha256/{digest[7:]}", manifest
    yield "index.json", json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    yield "oci-layout", b'{"imageLayoutVersion": "1.0.0"}'
