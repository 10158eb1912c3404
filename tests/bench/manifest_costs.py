"""What merging the parts of gold into a manifest costs."""

from __future__ import annotations

from pipeline.storage.layout import SPLITS
from tests.bench.usage import run_python

MERGE = """
import hashlib, sys
from pipeline.storage.artifacts.data import GoldManifest, PartFacts, SplitFacts, hash_table
from pipeline.storage.layout import SPLITS, gold_split_part
count = int(sys.argv[1])
splits = {}
for name in SPLITS:
    parts = [
        PartFacts(
            key=gold_split_part("training-20260101T000000", name, number),
            sha256=hashlib.sha256(f"{name}{number}".encode()).hexdigest(),
            rows=1_000_000,
            positives=50_000,
        )
        for number in range(count)
    ]
    splits[name] = SplitFacts(sha256=hash_table(parts), rows=1, positives=1, parts=parts)
gold = GoldManifest(
    run_id="r", bronze="", silver="", splits=splits, columns=[], seed=1, code_version=""
)
text = gold.model_dump_json(indent=2)
assert GoldManifest.model_validate_json(text) == gold
print(len(text))
"""
"""Merges the parts of gold into a manifest, writes it as JSON, and reads that."""


def measure_merge(count: int) -> dict[str, float]:
    """Merge parts, in a new process.

    Args:
        count: Parts of each split.

    Returns:
        The bytes of the JSON and the KiB of memory that each part needs.
    """
    base = run_python(["-c", MERGE, "1"], {})
    large = run_python(["-c", MERGE, str(count)], {})
    parts = count * len(SPLITS)
    return {
        "bytes_per_part": int(large.output) / parts,
        "kibibytes_per_part": (large.mebibytes - base.mebibytes) * 1024 / parts,
    }
