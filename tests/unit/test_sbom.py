"""The bill of materials of an image: what is in the image, compared with uv.lock."""

from __future__ import annotations

import copy
import io
import json
import re
import tarfile
from pathlib import Path

import pytest
import yaml

from k8s import image_contents, sbom
from k8s.image_contents import Contents, read_files
from k8s.images import list_artifacts
from k8s.process import ClusterError
from k8s.release import CHART

VENV = "app/.venv/lib/python3.13/site-packages"
STATUS = """Package: libssl3t64
Status: install ok installed
Architecture: amd64
Source: openssl (3.5.1-1)
Version: 3.5.1-1+deb13u1
Description: libraries
 of two lines

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: tzdata
Status: install ok installed
Architecture: all
Version: 2026a-0+deb13u1
"""
GO_VERSION = """/tmp/copy: go1.26.5
\tpath\tgithub.com/minio/minio
\tmod\tgithub.com/minio/minio\tv0.1.0\th1:abc=
\tdep\texample.org/old\tv1.0.0
\t=>\texample.org/new\tv1.1.0\th1:def=
\tbuild\t-trimpath=true
"""
OWN_PACKAGES = {
    "train": "skl2onnx",
    "drift": "evidently",
    "predictor": "fastapi-offline",
    "mlflow": "mlflow",
    "airflow": "apache-airflow",
}
"""A package that is in no other image."""
ARTIFACTS = {artifact.name: artifact for artifact in list_artifacts()}
INGEST = ARTIFACTS["ingest"]
IMAGES = yaml.safe_load((CHART / "values.yaml").read_text())["images"]
"""The images that the chart uses."""


def make_image(files: dict[str, str]) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    stream.seek(0)
    return stream


def make_metadata(name: str, version: str) -> str:
    return f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n\nA text: with a colon\n"


def get_locked_version(name: str, image: str = "ingest") -> str:
    components = sbom.export_lock(ARTIFACTS[image])["components"]
    return next(str(item["version"]) for item in components if item["name"] == name)


def read_example() -> Contents:
    return read_files(
        make_image(
            {
                "usr/lib/os-release": 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian 13"\n',
                "var/lib/dpkg/status": STATUS,
                f"{VENV}/pydantic_core.dist-info/METADATA": make_metadata("Pydantic_Core", "0"),
                f"{VENV}/a/_vendor/wheel.dist-info/METADATA": make_metadata("wheel", "0.45"),
                "usr/local/lib/python3.13/site-packages/pip.dist-info/METADATA": make_metadata(
                    "pip", "26.1"
                ),
                "usr/lib/python3/dist-packages/apt.dist-info/METADATA": make_metadata("apt", "3"),
            }
        )
    )


def test_an_image_is_read_from_its_files() -> None:
    """Packages that Debian's list has are not listed twice, and removed ones not at all."""
    contents = read_example()
    assert contents.system["VERSION_ID"] == "13"
    assert [package["Package"] for package in contents.debian] == ["libssl3t64", "tzdata"]
    assert contents.locked == {"pydantic-core": "0"}
    assert contents.python == [("wheel", "0.45"), ("pip", "26.1")]


def test_other_packages_than_those_of_the_lock_are_refused() -> None:
    """A bill of materials from uv.lock would be wrong for such an image."""
    with pytest.raises(ClusterError, match=r"ingest:1 has packages .* pydantic 0\.1\. Build"):
        sbom.describe(INGEST, "ingest:1", Contents(locked={"pydantic": "0.1"}))


def test_a_document_lists_every_part_of_the_image() -> None:
    """A package of uv.lock that the image lacks, such as one for Windows, is left out."""
    contents = read_example()
    contents.locked = {name: get_locked_version(name) for name in ("pydantic", "pydantic-core")}
    contents.locked["jinja2"] = get_locked_version("jinja2", "drift")  # of another group
    document = sbom.describe(INGEST, "localhost/student-mlops/ingest:ab12", contents)
    assert document["metadata"]["component"]["name"] == "localhost/student-mlops/ingest"
    assert document["metadata"]["component"]["version"] == "ab12"
    parts = {item["name"]: item for item in document["components"]}
    locked = {"jinja2", "pydantic", "pydantic-core"}
    assert set(parts) == {"debian", "libssl3t64", "tzdata", "pip", "wheel"} | locked
    assert parts["debian"]["type"] == "operating-system"
    assert parts["libssl3t64"]["purl"] == (
        "pkg:deb/debian/libssl3t64@3.5.1-1%2Bdeb13u1"
        "?arch=amd64&distro=debian-13&upstream=openssl%403.5.1-1"
    )
    assert parts["pip"]["purl"] == "pkg:pypi/pip@26.1"
    assert json.loads(json.dumps(document)) == document
    references = {item["bom-ref"] for item in document["components"]}
    edges = {item["ref"]: item["dependsOn"] for item in document["dependencies"]}
    assert edges[parts["pydantic"]["bom-ref"]] == [parts["pydantic-core"]["bom-ref"]]
    assert references >= edges.keys()


def test_a_go_program_is_listed_by_its_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replaced module counts as the one that replaces it."""
    monkeypatch.setattr(image_contents, "read_output", lambda *_: GO_VERSION)
    contents = read_files(make_image({"bin/minio": "program", "usr/bin/minio": "other"}))
    assert contents.go == [
        ("stdlib", "1.26.5"),
        ("github.com/minio/minio", "v0.1.0"),
        ("example.org/new", "v1.1.0"),
    ]


def test_an_image_has_the_packages_of_its_own_dependency_group() -> None:
    """The group is named in the Dockerfile. Images of Go programs have no Python packages."""
    names = {
        artifact.name: {item["name"] for item in sbom.export_lock(artifact)["components"]}
        for artifact in list_artifacts()
    }
    assert names.pop("minio") == names.pop("oauth2-proxy") == set()
    assert all("pydantic" in packages for packages in names.values())
    for image, package in OWN_PACKAGES.items():
        assert [name for name, packages in names.items() if package in packages] == [image]


def test_the_newest_image_of_an_artifact_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker lists the newest first; images without a tag are remains of builds."""
    monkeypatch.setattr(sbom, "read_output", lambda *_: "a/b:<none>\na/b:2\na/b:1")
    assert sbom.find_image(INGEST) == "a/b:2"
    monkeypatch.setattr(sbom, "read_output", lambda *_: "")
    with pytest.raises(ClusterError, match="has no image localhost/student-mlops/ingest"):
        sbom.find_image(INGEST)


def test_each_image_gets_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The files are named after the images."""
    monkeypatch.setattr(sbom, "find_image", lambda artifact: f"{artifact.image}:1")
    monkeypatch.setattr(sbom, "read_image", lambda _: Contents())
    calls: list[tuple[str, ...]] = []

    def record(*words: str) -> str:
        calls.append(words)
        return ""

    monkeypatch.setattr(sbom, "read_output", record)
    monkeypatch.setattr(sbom, "export_lock", lambda _: copy.deepcopy(sbom.EMPTY))
    names = {file.name for file in sbom.write(tmp_path / "new")}
    assert names == {f"{name}.cdx.json" for name in IMAGES}
    assert {file.name for file in (tmp_path / "new").iterdir()} == names
    pulled = [words[-1] for words in calls if "pull" in words]
    assert pulled == [sbom.list_other_images()[name] for name in IMAGES if name not in ARTIFACTS]


def test_an_image_of_others_is_pinned_and_described() -> None:
    """Its document names the digest, and lists what the image contains."""
    reference = sbom.list_other_images()["postgresql"]
    assert re.fullmatch(r"docker\.io/library/postgres@sha256:[0-9a-f]{64}", reference)
    document = sbom.describe_other(reference, read_example())
    component = document["metadata"]["component"]
    assert f"{component['name']}@{component['version']}" == reference
    assert "libssl3t64" in {item["name"] for item in document["components"]}
