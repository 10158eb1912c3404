"""A stage refuses a part that is missing, changed or truncated, until it is restored."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.compute import plan
from pipeline.context import Context
from pipeline.data import blocks
from pipeline.drift.tables import load_silver
from pipeline.errors import LakeError
from pipeline.stages import features, ingest, preprocess, train
from pipeline.storage.artifacts.data import GoldManifest
from pipeline.storage.layout import gold_manifest, gold_split_part, silver_manifest
from pipeline.storage.layout import silver_rows_part as silver_part
from tests.support.forest import make_bundle

MakeContext = Callable[..., Context]
RUN = "run-1"


def read_gold(context: Context) -> None:
    """Read the rows to train on."""
    gold = context.lake.read_model(gold_manifest(RUN), GoldManifest)
    train.read_training_rows(context.lake, gold, context.settings)


def flip_bit(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


READERS: dict[str, tuple[str, Callable[[Context], object], str]] = {
    "preprocess": (r"bronze/\w{64}\.csv", preprocess.run, silver_manifest(RUN)),
    "features": (silver_part(RUN, 1), features.run, gold_manifest(RUN)),
    "train": (gold_split_part(RUN, "train", 1), read_gold, ""),
    "drift": (
        silver_part(RUN, 1),
        lambda context: load_silver(context, RUN, make_bundle(), held_rows=50),
        "",
    ),
}
"""Reader -> the key of the object that is damaged, what reads it, and the key of the manifest that
it writes, if any."""
MODIFIED = (
    r" has the hash \w{64}, but \w{64} was recorded: it was modified outside the pipeline\. Run "
    "the stage that writes it again"
)
DAMAGES: dict[str, tuple[Callable[[bytes], bytes | None], str]] = {
    "missing": (lambda data: None, " does not exist; run the stage that writes it first"),
    "changed": (lambda data: flip_bit(data, len(data) // 2), MODIFIED),
    "truncated": (lambda data: data[: len(data) // 2], MODIFIED),
}


@pytest.fixture
def context(make_context: MakeContext, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A run with parts in bronze, silver and gold, which two threads read."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 500)
    monkeypatch.setattr(plan, "_count_cores", lambda: 2)
    made = make_context(RUN, ingest={"source": "sample:2000", "part_bytes": 1 << 14})
    ingest.run(made)
    preprocess.run(made)
    features.split_table(made, stripe_rows=900)
    return made


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_part(context: Context, reader: str, damage: str) -> None:
    """The error names the object and what to do, and no manifest is written."""
    lake = context.lake
    pattern, read, manifest = READERS[reader]
    change, message = DAMAGES[damage]
    layer = pattern.split("/")[0]
    (key,) = [key for key in lake.keys(f"{layer}/") if re.fullmatch(pattern, key)]
    data = lake.read(key)
    damaged: Any = change(data)
    lake.delete(key) if damaged is None else lake.write(key, damaged)
    if manifest:
        lake.delete(manifest)
    with pytest.raises(LakeError, match=f"{re.escape(key)}{message}$"):
        read(context)
    assert not manifest or not lake.exists(manifest)
    lake.write(key, data)
    read(context)
