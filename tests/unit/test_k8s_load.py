"""Images on their way into a node: every file under its digest, and none that the node has."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from k8s.kind_images import full_name, layout, unpack

CONFIG, BASE, CODE = b'{"os": "linux"}', b"a layer of packages", b"a layer of code"


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def archive(files: dict[str, bytes | str]) -> io.BytesIO:
    """A tar archive of these files; a text is the target of a symbolic link."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    written.seek(0)
    return written


def manifest(*entries: tuple[str, str, list[str]]) -> bytes:
    return json.dumps(
        [{"RepoTags": [tag], "Config": config, "Layers": layers} for tag, config, layers in entries]
    ).encode()


def classic() -> io.BytesIO:
    """Two images as Docker before 25 saves them: the second links to the layer that they share."""
    return archive(
        {
            "one/layer.tar": BASE,
            "two/layer.tar": CODE,
            "three/layer.tar": "../one/layer.tar",
            "config.json": CONFIG,
            "manifest.json": manifest(
                ("a/train:1", "config.json", ["one/layer.tar", "two/layer.tar"]),
                ("a/drift:2", "config.json", ["three/layer.tar"]),
            ),
        }
    )


def sent(images: dict[str, Any], present: set[str]) -> dict[str, bytes]:
    """What goes to a node that has the blobs `present`."""
    return {
        name: data.read_bytes() if isinstance(data, Path) else data
        for name, data in layout(images, present)
    }


def test_a_linked_layer_is_the_layer_it_links_to(tmp_path: Path) -> None:
    """An image whose layer another one brings has that layer's digest and size."""
    images = unpack(classic(), tmp_path, ())
    assert [blob.digest for blob in images["a/train:1"]] == [
        digest(CONFIG),
        digest(BASE),
        digest(CODE),
    ]
    assert [(blob.digest, blob.size) for blob in images["a/drift:2"]] == [
        (digest(CONFIG), len(CONFIG)),
        (digest(BASE), len(BASE)),
    ]


def test_an_image_layout_is_read_too(tmp_path: Path) -> None:
    """Docker from 25 on saves blobs under their digests, and its layers may be compressed: the media type says so."""
    compressed = b"\x1f\x8b and so on"
    files = {
        "blobs/sha256/c": CONFIG,
        "blobs/sha256/l": compressed,
        "index.json": b"{}",
        "oci-layout": b"{}",
    }
    files["manifest.json"] = manifest(("a/train:1", "blobs/sha256/c", ["blobs/sha256/l"]))
    (_, layer) = unpack(archive(dict(files)), tmp_path, ())["a/train:1"]
    assert (layer.digest, layer.media) == (
        digest(compressed),
        "application/vnd.oci.image.layer.v1.tar+gzip",
    )


def test_every_blob_goes_once(tmp_path: Path) -> None:
    """The archive for an empty node holds each file once, under the digest of its bytes, and an index of full names."""
    files = sent(unpack(classic(), tmp_path, ()), set())
    blobs = {name: data for name, data in files.items() if name.startswith("blobs/")}
    assert all(name == f"blobs/sha256/{digest(data)[7:]}" for name, data in blobs.items())
    assert {CONFIG, BASE, CODE} < set(blobs.values())
    assert len(blobs) == 5  # those and two manifests
    index = json.loads(files["index.json"])["manifests"]
    names = [entry["annotations"]["io.containerd.image.name"] for entry in index]
    assert names == ["docker.io/a/train:1", "docker.io/a/drift:2"]
    assert {f"blobs/sha256/{entry['digest'][7:]}" for entry in index} < set(blobs)


def test_what_a_node_has_is_left_out(tmp_path: Path) -> None:
    """A layer that the node has is not sent, but the manifest still lists it with its size."""
    images = unpack(classic(), tmp_path, {digest(BASE)})
    files = sent(images, {digest(BASE)})
    assert BASE not in files.values()
    assert CODE in files.values()
    manifests = [
        json.loads(files[f"blobs/sha256/{entry['digest'][7:]}"])
        for entry in json.loads(files["index.json"])["manifests"]
    ]
    assert all(
        {"digest": digest(BASE), "size": len(BASE)}.items() <= item["layers"][0].items()
        for item in manifests
    )


def test_bytes_that_no_node_needs_are_not_kept(tmp_path: Path) -> None:
    """Layers that all nodes have take no room on this machine's disk."""
    unpack(classic(), tmp_path, {digest(BASE)})
    assert digest(BASE) not in {digest(path.read_bytes()) for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("reference", "full"),
    [
        ("postgres:17-trixie", "docker.io/library/postgres:17-trixie"),
        ("student-mlops/train:1", "docker.io/student-mlops/train:1"),
        ("ghcr.io/school/train:1", "ghcr.io/school/train:1"),
        ("localhost:5000/train:1", "localhost:5000/train:1"),
    ],
)
def test_references_are_written_as_nodes_write_them(reference: str, full: str) -> None:
    """Docker leaves out its own registry's name; containerd does not."""
    assert full_name(reference) == full
