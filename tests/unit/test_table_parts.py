"""Manifests of tables that are stored as one part or as several."""

from __future__ import annotations

from pipeline.storage.artifacts.data import (
    GoldManifest,
    PartFacts,
    SilverManifest,
    SplitFacts,
    hash_table,
)
from pipeline.storage.lake import sha256_hex

PARTS = [
    PartFacts(key=f"gold/run/train/0000{number}.parquet", sha256=letter * 64, rows=3, positives=1)
    for number, letter in enumerate("ab")
]


def test_the_hash_of_a_table() -> None:
    """One part has its own hash; several have that of their hashes, line by line."""
    assert hash_table(PARTS[:1]) == "a" * 64
    assert hash_table(PARTS) == sha256_hex(f"{'a' * 64}\n{'b' * 64}".encode())
    assert hash_table(PARTS) != hash_table(PARTS[::-1])


def test_a_manifest_without_parts_has_one() -> None:
    """So manifests of earlier releases can be read, and those of small tables are the same."""
    silver = SilverManifest(bronze="", sha256="a" * 64, rows=3, rejected=0)
    assert "parts" not in silver.model_dump()
    (part,) = silver.list_parts("run")
    assert (part.key, part.sha256, part.rows) == ("silver/run/rows.parquet", "a" * 64, 3)
    splits = {
        "train": SplitFacts(sha256=hash_table(PARTS), rows=6, positives=2, parts=PARTS),
        "test": SplitFacts(sha256="c" * 64, rows=2, positives=1),
    }
    gold = GoldManifest(
        run_id="run", bronze="", silver="", splits=splits, columns=[], seed=0, code_version=""
    )
    assert gold.list_parts("train") == PARTS
    (part,) = gold.list_parts("test")
    assert (part.key, part.rows, part.positives) == ("gold/run/test.parquet", 2, 1)
    assert GoldManifest.model_validate_json(gold.model_dump_json()) == gold
