"""The promotion log: the format of its records and lines."""

from __future__ import annotations

import json

from pipeline.storage.artifacts.gates import GateResult
from pipeline.storage.lake import Lake
from pipeline.tracking.promotion_log import Move, Record, read_records

GATE = GateResult(name="min_recall", bound=0.6, reason="misses too many", value=0.8, passed=True)
RECORD = Record(
    number=2,
    action="revert",
    run_id=None,
    started_by="ann@laptop",
    started_at="2026-11-01T10:00:00+00:00",
    lock_expires_at="2026-11-01T10:10:00+00:00",
    done=True,
    resumes=1,
    move=Move(
        origin="8",
        to="7",
        previous="6",
        reason="3 predictions failed",
        rejection_reason="3 predictions failed",
        gates=(GATE,),
        hashes={"manifest_sha256": "abc"},
    ),
)

OLD_RECORD = b"""{
  "action": "revert",
  "at": "2026-11-01T10:00:00+00:00",
  "by": "ann@laptop",
  "done": true,
  "move": {
    "from": "8",
    "gates": [
      {"bound": 0.6, "holds": true, "name": "min_recall", "value": 0.8, "why": "misses too many"}
    ],
    "hashes": {"manifest_sha256": "abc"},
    "previous": "6",
    "reason": "3 predictions failed",
    "rejected": "3 predictions failed",
    "to": "7"
  },
  "number": 2,
  "resumes": 1,
  "run_id": null,
  "until": "2026-11-01T10:10:00+00:00"
}
"""
"""The same record as the first release wrote it."""


def test_a_record_is_read_as_it_was_written(lake: Lake) -> None:
    """Writing and reading a record changes nothing."""
    lake.write(RECORD.key, RECORD.to_bytes())
    assert RECORD.key == "reports/promotions/000002.json"
    assert read_records(lake) == [RECORD]


def test_a_record_of_an_earlier_release_is_read(lake: Lake) -> None:
    """Records are kept for good, so the old names of their fields stay valid."""
    lake.write("reports/promotions/000002.json", OLD_RECORD)
    assert read_records(lake) == [RECORD]


def test_a_line_has_the_facts_of_the_move_and_not_the_lock() -> None:
    """The lines of promotions.jsonl are an API: these are their fields."""
    assert json.loads(RECORD.to_line()) == {
        "number": 2,
        "action": "revert",
        "run_id": None,
        "started_by": "ann@laptop",
        "started_at": "2026-11-01T10:00:00+00:00",
        "resumes": 1,
        "previous_sha256": None,
        "from": "8",
        "to": "7",
        "previous": "6",
        "reason": "3 predictions failed",
        "rejection_reason": "3 predictions failed",
        "gates": [GATE.model_dump()],
        "hashes": {"manifest_sha256": "abc"},
    }


def test_records_are_sorted_by_number(lake: Lake) -> None:
    """The tenth record follows the ninth."""
    for number in (10, 9, 1):
        record = RECORD.model_copy(update={"number": number})
        lake.write(record.key, record.to_bytes())
    assert [record.number for record in read_records(lake)] == [1, 9, 10]
