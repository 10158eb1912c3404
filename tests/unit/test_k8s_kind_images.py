"""Loading images into kind's nodes: blobs are named by digest, and a node gets none that it has."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from k8s.docker_archive import unpack
from k8s.kind_images import check_space, make_layout, measure, normalize_reference
from k8s.process import ClusterError

CONFIG, BASE, CODE = b'{"os": "linux"}', b"a layer of packages", b"a layer of code"


def get_digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def make_archive(files: dict[str, bytes | str]) -> io.BytesIO:
    """A tar archive of these files; a string is the target of a symbolic link."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    archive.seek(0)
    return archive


def make_manifest(*entries: tuple[str, str, list[str]]) -> bytes:
    return json.dumps(
        [{"RepoTags": [tag], "Config": config, "Layers": layers} for tag, config, layers in entries]
    ).encode()


def save_like_docker_24() -> io.BytesIO:
    """Two images as Docker before 25 saves them: the second links to the layer that they share."""
    return make_archive(
        {
            "one/layer.tar": BASE,
            "two/layer.tar": CODE,
            "three/layer.tar": "../one/layer.tar",
            "config.json": CONFIG,
            "manifest.json": make_manifest(
                ("a/train:1", "config.json", ["one/layer.tar", "two/layer.tar"]),
                ("a/drift:2", "config.json", ["three/layer.tar"]),
            ),
        }
    )


def read_layout(images: dict[str, Any], present: set[str]) -> dict[str, bytes]:
    """The files that are sent to a node that has the blobs `present`."""
    return {
        name: data.read_bytes() if isinstance(data, Path) else data
        for name, data in make_layout(images, present)
    }


def test_a_linked_layer_is_resolved(tmp_path: Path) -> None:
    """An image that shares another image's layer has that layer's digest and size."""
    images = unpack(save_like_docker_24(), tmp_path, ())
    digests = [get_digest(data) for data in (CONFIG, BASE, CODE)]
    assert [blob.digest for blob in images["a/train:1"]] == digests
    assert [(blob.digest, blob.size) for blob in images["a/drift:2"]] == [
        (get_digest(CONFIG), len(CONFIG)),
        (get_digest(BASE), len(BASE)),
    ]


def test_an_oci_image_layout_is_unpacked(tmp_path: Path) -> None:
    """Docker from 25 on saves an OCI layout; a compressed layer gets the matching media type."""
    compressed = b"\x1f\x8b and so on"
    files: dict[str, bytes | str] = {
        "blobs/sha256/c": CONFIG,
        "blobs/sha256/l": compressed,
        "index.json": b"{}",
        "oci-layout": b"{}",
        "manifest.json": make_manifest(("a/train:1", "blobs/sha256/c", ["blobs/sha256/l"])),
    }
    (_, layer) = unpack(make_archive(files), tmp_path, ())["a/train:1"]
    assert layer.digest == get_digest(compressed)
    assert layer.media_type == "application/vnd.oci.image.layer.v1.tar+gzip"


def test_every_blob_is_sent_once(tmp_path: Path) -> None:
    """The archive has each blob once, named by its digest, and an index of full references."""
    files = read_layout(unpack(save_like_docker_24(), tmp_path, ()), set())
    blobs = {name: data for name, data in files.items() if name.startswith("blobs/")}
    assert all(name == f"blobs/sha256/{get_digest(data)[7:]}" for name, data in blobs.items())
    assert {CONFIG, BASE, CODE} < set(blobs.values())
    assert len(blobs) == 5  # these and two manifests
    index = json.loads(files["index.json"])["manifests"]
    names = [entry["annotations"]["io.containerd.image.name"] for entry in index]
    assert names == ["docker.io/a/train:1", "docker.io/a/drift:2"]
    assert {f"blobs/sha256/{entry['digest'][7:]}" for entry in index} < set(blobs)


def test_a_blob_that_the_node_has_is_not_sent(tmp_path: Path) -> None:
    """The manifest still lists the layer, with its size."""
    images = unpack(save_like_docker_24(), tmp_path, {get_digest(BASE)})
    files = read_layout(images, {get_digest(BASE)})
    assert BASE not in files.values()
    assert CODE in files.values()
    expected = {"digest": get_digest(BASE), "size": len(BASE)}
    for entry in json.loads(files["index.json"])["manifests"]:
        manifest = json.loads(files[f"blobs/sha256/{entry['digest'][7:]}"])
        assert expected.items() <= manifest["layers"][0].items()


def test_unwanted_blobs_are_not_stored(tmp_path: Path) -> None:
    """Layers that every node has take no disk space on this machine."""
    unpack(save_like_docker_24(), tmp_path, {get_digest(BASE)})
    assert get_digest(BASE) not in {get_digest(path.read_bytes()) for path in tmp_path.iterdir()}


def test_a_shared_blob_needs_space_once_and_one_that_the_node_has_none(tmp_path: Path) -> None:
    images = unpack(save_like_docker_24(), tmp_path, ())

    assert measure(images, {get_digest(BASE)}) == len(CONFIG) + len(CODE)


def test_a_node_without_space_for_the_images_is_an_error() -> None:
    with pytest.raises(ClusterError, match=r"node-1 has 2\.1 GB .* its new images need 2\.2 GB"):
        check_space(1_000_000_000, 2_100_000_000, "node-1")

    check_space(1_000_000_000, 2_200_000_000, "node-1")


@pytest.mark.parametrize(
    ("reference", "normalized"),
    [
        ("postgres:17-trixie", "docker.io/library/postgres:17-trixie"),
        ("student-mlops/train:1", "docker.io/student-mlops/train:1"),
        ("ghcr.io/school/train:1", "ghcr.io/school/train:1"),
        ("localhost:5000/train:1", "localhost:5000/train:1"),
    ],
)
def test_references_get_their_registry(reference: str, normalized: str) -> None:
    """Docker leaves out the name of its own registry; containerd does not."""
    assert normalize_reference(reference) == normalized
