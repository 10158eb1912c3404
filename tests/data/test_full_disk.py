"""A stage whose disk is full says so, damages nothing, and succeeds once there is room."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.columns import FEATURE_HEADER, FEATURE_NAMES
from pipeline.context import Context
from pipeline.data.traffic_window import read_window
from pipeline.errors import LakeError
from pipeline.model.bundle import write_fallback
from pipeline.scoring.batch_model import load_model
from pipeline.stages import compact, features, ingest, preprocess, score
from pipeline.storage import layout
from pipeline.storage.lake import Lake
from tests.support.forest import make_bundle
from tests.support.full_disk import FullDisk
from tests.support.traffic import log_rows

MakeContext = Callable[..., Context]

DISK_MESSAGE = (
    r"/\S+ cannot be written( after [\d,]+ bytes)?: No space left on device\. Free space on its "
    "disk, and run the stage again"
)
"""Also of a temporary file of a lake on S3."""
MESSAGES = {
    "disk": DISK_MESSAGE,
    "s3": DISK_MESSAGE
    + r"|s3://\S+ cannot be written: .*XMinioStorageFull.*Delete what is no longer needed, or "
    r"make MinIO's volume larger \(chart value minio\.persistence\.size\), and run the stage again",
}
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TIMES = re.compile(rb'"(fetched|scored)_at": "[^"]*"')


def find_objects(pattern: str) -> Callable[[Lake], Any]:
    """Return a function that reads the objects whose keys match, without times."""

    def find(lake: Lake) -> dict[str, bytes]:
        keys = [key for layer in layout.LAYERS for key in lake.keys(f"{layer}/")]
        return {key: TIMES.sub(b"", lake.read(key)) for key in keys if re.fullmatch(pattern, key)}

    return find


def read_traffic(lake: Lake) -> list[dict[str, Any]]:
    day = timedelta(days=1)
    rows = read_window(lake, NOW - day, NOW + day, 100, seed=0).rows.to_pylist()
    return sorted(rows, key=repr)


def upload_list(context: Context) -> None:
    """Upload a list to score, and a model."""
    write_fallback(context.lake, make_bundle())
    header = ",".join(f'"{name}"' for name in FEATURE_HEADER)
    context.lake.write(layout.list_to_score("a.csv"), f"{header}\n31,1,6.8,0,2.1\n".encode())
    load_model.cache_clear()


def log_traffic(context: Context) -> None:
    """Log rows of two hours that have ended, by a pod of its own."""
    row = dict.fromkeys(FEATURE_NAMES, 1.0)
    for hours in (2, 3):
        log_rows(context.lake, NOW - timedelta(hours=hours), [row], pod=context.run_id)


@dataclass(frozen=True)
class Case:
    """A stage, and what it needs.

    Attributes:
        before: What runs before the stage.
        run: Runs the stage.
        read: Reads what readers of its results find.
    """

    before: tuple[Callable[[Context], None], ...]
    run: Callable[[Context], None]
    read: Callable[[Lake], Any]


CASES = {
    "ingest": Case((), ingest.run, find_objects(r"bronze/latest\.json")),
    "preprocess": Case(
        (ingest.run,),
        preprocess.run,
        find_objects(r"silver/first/.*|silver/second/manifest\.json"),
    ),
    "features": Case(
        (ingest.run, preprocess.run),
        features.run,
        find_objects(r"gold/first/.*|gold/second/manifest\.json"),
    ),
    "score": Case(
        (upload_list,),
        score.run,
        find_objects(r"bronze/scoring/.*|silver/scores/.*\.json"),
    ),
    "compact": Case((log_traffic,), lambda context: compact.run(context, NOW), read_traffic),
}


def restore(lake: Lake, objects: dict[str, bytes]) -> None:
    """Delete and replace what has changed."""
    found = find_objects(".*")(lake)
    for key in found.keys() - objects.keys():
        lake.delete(key)
    for key, data in objects.items():
        if found.get(key) != data:
            lake.write(key, data)


@pytest.mark.parametrize("store", ["disk", "s3"])
@pytest.mark.parametrize("name", CASES)
def test_a_full_disk(
    request: pytest.FixtureRequest,
    make_context: MakeContext,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    store: str,
) -> None:
    """At every write: readers find the results of the run before, and the next try is complete."""
    case, disk, sections = CASES[name], FullDisk(monkeypatch), dict[str, Any]()
    if store == "s3":
        sections["lake"] = request.getfixturevalue("s3_lake").model_dump()
    for run_id, source in (("first", "sample:300"), ("second", "sample:310")):
        context = make_context(run_id, ingest={"source": source}, **sections)
        for run in (*case.before, *([case.run] if run_id == "first" else [])):
            run(context)
    lake = context.lake
    objects, earlier = find_objects(".*")(lake), case.read(lake)
    disk.start()
    case.run(context)
    writes, expected = disk.count, case.read(lake)
    assert writes > 0
    for at in range(1, writes + 1):
        restore(lake, objects)
        disk.start(at)
        with pytest.raises(LakeError, match=f"^({MESSAGES[store]})$"):
            case.run(context)
        assert case.read(lake) == earlier
        disk.start()
        case.run(context)
        assert case.read(lake) == expected
