"""The copy of the production bundle in the lake's models/."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import LakeError
from pipeline.model.bundle import (
    MANIFEST,
    ONNX,
    PICKLE,
    Bundle,
    Examples,
    Lineage,
    Manifest,
    TrainingFacts,
    fallback_matches,
    read_fallback,
    write_fallback,
)
from pipeline.settings.connections import LakeSettings
from pipeline.storage.lake import Lake, open_lake, sha256_hex
from pipeline.storage.layout import model_file

FILES = {ONNX: b"graph", PICKLE: b"pickle"}
BUNDLE = Bundle(
    Manifest(
        name="student-performance",
        family="forest",
        run_id="run-a",
        created="2026-01-01T00:00:00+00:00",
        threshold=0.5,
        features=["age"],
        files={name: sha256_hex(data) for name, data in FILES.items()},
        lineage=Lineage(
            pipeline_run_id="run-1", bronze="b", silver="s", gold={}, code_version="c", image="i"
        ),
        examples=Examples(inputs=[], probability=[]),
        background=[],
    ),
    FILES,
)
SHA256 = sha256_hex(BUNDLE.manifest.to_bytes())


@pytest.fixture
def copy(tmp_path: Path) -> Lake:
    """A lake whose models/ holds the bundle."""
    lake = open_lake(LakeSettings(url=f"file://{tmp_path}"))
    write_fallback(lake, BUNDLE)
    return lake


def test_an_intact_copy_is_read(copy: Lake) -> None:
    """The bundle comes back as it was written, and matches the hash of its own manifest only."""
    assert read_fallback(copy) == BUNDLE
    assert fallback_matches(copy, SHA256)
    assert not fallback_matches(copy, "0" * 64)


def test_a_copy_may_lack_a_file(copy: Lake) -> None:
    """A predictor without scikit-learn needs no pickle; a copy without any model is refused."""
    copy.delete(model_file(PICKLE))
    assert read_fallback(copy).files == {ONNX: b"graph"}
    copy.delete(model_file(ONNX))
    with pytest.raises(LakeError, match=r"holds none of model\.onnx, model\.pkl"):
        read_fallback(copy)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (ONNX, b"other", r"model\.onnx has the SHA-256 .*; it is refused"),
        (MANIFEST, b"{}", r"manifest\.json is not a valid Manifest"),
        (MANIFEST, b"half of a manif", r"manifest\.json is not a valid Manifest"),
    ],
    ids=["other file", "other manifest", "no JSON"],
)
def test_a_damaged_copy_is_refused(copy: Lake, name: str, data: bytes, message: str) -> None:
    """A damaged copy does not match, so that the next move to production replaces it."""
    copy.write(model_file(name), data)
    with pytest.raises(LakeError, match=message):
        read_fallback(copy)
    assert not fallback_matches(copy, SHA256)


def test_a_manifest_of_an_earlier_release_keeps_its_hash() -> None:
    """A field that it does not have is not added when it is written again."""
    facts = TrainingFacts(values={"age": [24, 54]}, positive_rate=0.05, precision=0.1)
    examples = Examples(inputs=[[20]], fail_probability=[0.25])
    assert examples.expected == [0.25]
    for update, absent in (
        ({"examples": examples}, (b'"probability"',)),
        ({"cautions": []}, (b'"training"', b'"refits"', b'"cautions"')),
        ({"training": facts}, (b'"flagged_below_rate"', b'"refits"', b'"cautions"')),
    ):
        raw = BUNDLE.manifest.model_copy(update=update).to_bytes()
        assert not [name for name in absent if name in raw]
        assert Manifest(**json.loads(raw)).to_bytes() == raw
