"""score: lists are scored by the model in models/, and no row and no list is lost."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.columns import COLUMNS_SHA256, FEATURE_HEADER, FEATURES, RAW_HEADER
from pipeline.context import Context
from pipeline.errors import (
    DataError,
    LakeError,
    PromotionError,
    SettingsError,
    SourceError,
    StageSkipped,
)
from pipeline.model.acceptance import ModelRefused
from pipeline.model.bundle import MANIFEST, ONNX, write_fallback
from pipeline.scoring import list_parts
from pipeline.scoring.batch_model import load_model
from pipeline.scoring.list_parts import count_rows, divide_list
from pipeline.settings.connections import LakeSettings
from pipeline.stages import score
from pipeline.storage.artifacts.scoring import ScoresManifest
from pipeline.storage.lake import Lake, open_lake, sha256_hex
from pipeline.storage.layout import (
    LISTS_TO_SCORE,
    SCORES,
    STOP_MARKER,
    list_to_score,
    model_file,
    scores_manifest,
    scores_table,
)
from pipeline.tracking.registry import MANIFEST_TAG, Version
from pipeline.tracking.stop_marker import Stop
from tests.support.faults import FaultInjector, Killed, kill_points, with_faults
from tests.support.forest import make_bundle
from tests.support.parts import dask_processes
from tests.support.promotions import write_first_promotion

MakeContext = Callable[..., Context]

TODAY = f"{datetime.now(UTC):%Y-%m-%d}"
HEADER = ",".join(f'"{name}"' for name in FEATURE_HEADER)
GOOD, UNUSUAL, BAD = "31,1,6.8,0,2.1", "80,0,6.8,0.5,2.1", "31,1,99,0,2.1"


@pytest.fixture
def context(make_context: MakeContext) -> Iterator[Context]:
    """A context whose lake has a model in `models/`."""
    made = make_context()
    write_fallback(made.lake, make_bundle())
    yield made
    load_model.cache_clear()


def make_list(*lines: str, header: str = HEADER) -> bytes:
    return ("\n".join([header, *lines]) + "\n").encode()


def upload(lake: Lake, *lines: str, name: str = "a.csv", header: str = HEADER) -> None:
    lake.write(list_to_score(name), make_list(*lines, header=header))


def read(lake: Lake, name: str = "a.csv", run_id: str = "run-1") -> list[dict[str, str]]:
    """Read the CSV of the predictions, which has the same rows as the Parquet file."""
    text, parquet = (
        lake.read(scores_table(TODAY, run_id, name, suffix)) for suffix in ("csv", "parquet")
    )
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    for row, other in zip(rows, pq.read_table(io.BytesIO(parquet)).to_pylist(), strict=True):
        assert row == {key: "" if value is None else f"{value}" for key, value in other.items()} | {
            "probability": row["probability"]
        }
        assert row["probability"] == "" or float(row["probability"]) == other["probability"]
    return rows


def test_predictions_of_a_list(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    """Each row has a prediction or an error; the manifest has counts and lineage."""
    lake, bundle = context.lake, make_bundle()
    upload(lake, *[GOOD] * 30, UNUSUAL, BAD)
    data = lake.read(list_to_score("a.csv"))
    score.run(context)
    rows = read(lake)
    assert [row["row"] for row in rows] == [str(number) for number in range(1, 33)]
    assert rows[0] == rows[1] | {"row": "1"}
    assert (rows[0]["label"], rows[0]["model_version"]) == ("pass", "1")
    assert 0 < float(rows[0]["probability"]) < 0.5
    assert "age is outside" in rows[30]["warning"]
    assert (rows[31]["label"], rows[31]["probability"]) == ("", "")
    assert rows[31]["error"] == "'Hours of Sleep' must be between 0 and 24"
    manifest = lake.read_model(scores_manifest(TODAY, "run-1", "a.csv"), ScoresManifest)
    assert (manifest.rows, manifest.rejected, manifest.warned) == (32, 1, 1)
    assert (manifest.list_sha256, manifest.list_bytes) == (sha256_hex(data), len(data))
    assert (manifest.model.version, manifest.model.run_id) == ("1", "run-a")
    assert manifest.onnx_sha256 == bundle.manifest.files[ONNX]
    assert manifest.bundle == sha256_hex(bundle.manifest.to_bytes())
    assert manifest.columns == COLUMNS_SHA256
    for part in (*manifest.parquet, *manifest.csv):
        assert sha256_hex(lake.read(part.key)) == part.sha256
        assert part.rows == 32
    metadata = pq.read_schema(io.BytesIO(lake.read(manifest.parquet[0].key))).metadata
    assert metadata[b"onnx_sha256"].decode() == manifest.onnx_sha256
    message = " ".join(capsys.readouterr().err.split())
    assert "1 of 32 rows were rejected (3.1%). The first is row 32: 'Hours of Sleep'" in message
    assert "32 rows of a.csv" in message


def test_a_model_that_was_not_promoted_scores_nothing(
    context: Context, make_context: MakeContext
) -> None:
    """With promotion records, the model must be the one that they name."""
    promoted = make_bundle(seed=1)
    tags = {MANIFEST_TAG: sha256_hex(promoted.manifest.to_bytes())}
    write_first_promotion(context.lake, Version("1", "run-a", tags))
    upload(context.lake, GOOD)
    with pytest.raises(PromotionError, match="but by the promotion records"):
        score.run(context)
    assert context.lake.exists(list_to_score("a.csv"))
    score.run(make_context("any", predictor={"require_record": False}))
    upload(context.lake, GOOD)
    write_fallback(context.lake, promoted)
    score.run(context)


def test_the_guide(make_context: MakeContext, tmp_path: Path) -> None:
    """Its list gives the predictions that it shows, apart from what depends on the model."""
    page = (Path(__file__).parents[2] / "docs/how-to/score-a-list.md").read_text()
    given, shown = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    context = make_context(score={"max_rejected_fraction": 0.5})
    write_fallback(context.lake, make_bundle())
    (tmp_path / "class.csv").write_text(given)
    score.run(context, data=tmp_path / "class.csv")
    rows = read(context.lake, "class.csv")
    expected = list(csv.DictReader(io.StringIO(shown)))
    for row, other in zip(rows, expected, strict=True):
        assert row.keys() == other.keys()
        assert [row["row"], row["error"]] == [other["row"], other["error"]]
        assert bool(row["warning"]) is bool(other["warning"])
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(rows[0])


def test_a_list_is_deleted_once_it_is_scored(context: Context) -> None:
    """Each uploaded list is scored by one run, and a run without lists has nothing to do."""
    for name in ("a.csv", "spring term.csv"):
        upload(context.lake, GOOD, name=name)
    score.run(context)
    assert context.lake.keys(LISTS_TO_SCORE) == []
    assert read(context.lake, "spring term.csv") == read(context.lake)
    score.run(context)  # a try that was killed after its last write
    with pytest.raises(StageSkipped, match="There is no list below"):
        score.run(replace(context, run_id="run-2"))


def test_one_of_the_uploaded_lists(context: Context) -> None:
    """The others stay."""
    for name in ("a.csv", "b.csv"):
        upload(context.lake, GOOD, name=name)
    score.run(context, uploaded="b.csv")
    assert context.lake.keys(LISTS_TO_SCORE) == [list_to_score("a.csv")]
    score.run(context, uploaded="b.csv")
    with pytest.raises(SourceError, match=r"c\.csv does not exist. Upload the list"):
        score.run(context, uploaded="c.csv")


def test_a_file_of_this_machine(context: Context, tmp_path: Path) -> None:
    """It is scored and stays; with a lake on S3 a path is refused."""
    path = tmp_path / "class.csv"
    path.write_bytes(make_list(GOOD))
    score.run(context, data=path)
    assert read(context.lake, "class.csv")[0]["label"] == "pass"
    assert path.exists()
    with pytest.raises(SourceError, match=r"x\.csv cannot be read: No such file.*Check --data"):
        score.run(context, data=tmp_path / "x.csv")
    with pytest.raises(SourceError, match=r"'x\.txt' cannot be the name of a list"):
        score.run(context, data=tmp_path / "x.txt")
    settings = context.settings.model_copy(update={"lake": LakeSettings(url="s3://school")})
    with pytest.raises(SettingsError, match=r"is a path, which is refused.*use --uploaded x\.csv"):
        score.run(replace(context, settings=settings), data=Path("/proc/x.csv"))


def test_other_columns_are_not_read(context: Context) -> None:
    """Names, keys and outcomes may be in the list, in any order, and are in no output."""
    header = ",".join(f'"{name}"' for name in ("Name", *RAW_HEADER[::-1]))
    values = dict(zip(FEATURE_HEADER, GOOD.split(","), strict=True))
    upload(context.lake, GOOD)
    line = ",".join(["Ada", *(values.get(name, "?") for name in RAW_HEADER[::-1])])
    upload(context.lake, line, name="b.csv", header=header)
    score.run(context)
    assert read(context.lake, "b.csv") == read(context.lake)
    assert not any(b"Ada" in context.lake.read(key) for key in context.lake.keys(SCORES))


def test_a_row_with_too_many_values_is_rejected(context: Context) -> None:
    """Its values may belong to other columns, even if all of them are valid."""
    upload(context.lake, f"{GOOD},x", f"{GOOD},x,y", *[f"{GOOD},x"] * 30, header=f"{HEADER},Note")
    score.run(context)
    rows = read(context.lake)
    assert rows[1]["error"] == "the row has 7 values, but the header has 6"
    assert [row["row"] for row in rows if row["error"]] == ["2"]


def test_too_many_rejected_rows(context: Context) -> None:
    """The stage fails after it has stored the reasons, and the list stays; other lists do not."""
    upload(context.lake, GOOD, BAD)
    upload(context.lake, GOOD, name="b.csv")
    with pytest.raises(DataError, match=r"1 of 2 rows were rejected \(50.0%\).*row 2: 'Hours of"):
        score.run(context)
    assert [row["error"] != "" for row in read(context.lake)] == [False, True]
    assert context.lake.keys(LISTS_TO_SCORE) == [list_to_score("a.csv")]
    assert not context.lake.exists(scores_manifest(TODAY, "run-1", "a.csv"))
    assert context.lake.exists(scores_manifest(TODAY, "run-1", "b.csv"))


def test_a_file_that_is_no_list(context: Context) -> None:
    """It stays, and the stage fails after it has scored the lists."""
    upload(context.lake, GOOD)
    upload(context.lake, GOOD, name="0.txt")
    with pytest.raises(SourceError, match=r"'0\.txt' cannot be the name of a list"):
        score.run(context)
    assert len(read(context.lake)) == 1
    assert context.lake.keys(LISTS_TO_SCORE) == [list_to_score("0.txt")]


def test_a_list_without_a_feature(context: Context) -> None:
    """It is refused with the name of the column, and stays."""
    upload(context.lake, "31,1", header=",".join(f'"{name}"' for name in FEATURE_HEADER[:2]))
    with pytest.raises(DataError, match=r"a\.csv lacks the column 'Hours of Sleep'"):
        score.run(context)
    assert context.lake.exists(list_to_score("a.csv"))


def test_a_list_without_rows(context: Context) -> None:
    """It is refused, even if its header has a line break."""
    context.lake.write(list_to_score("a.csv"), f'{HEADER},"A\nnote"\n'.encode())
    with pytest.raises(DataError, match=r"a\.csv has a header but no rows"):
        score.run(context)


def test_stopped_answers(context: Context) -> None:
    """While all answers are stopped, no list is scored."""
    upload(context.lake, GOOD)
    stop = Stop(by="ada", at="2026-01-01T00:00:00+00:00", reason="wrong data")
    context.lake.write_model(STOP_MARKER, stop)
    with pytest.raises(StageSkipped, match="ada stopped all answers"):
        score.run(context)
    assert context.lake.keys(SCORES) == []


def test_a_model_that_cannot_be_used(context: Context) -> None:
    """It is refused as by the predictor: another columns file, other answers, another file."""
    lake, manifest = context.lake, make_bundle().manifest
    upload(lake, GOOD)
    examples = manifest.examples.model_copy(
        update={"probability": [value + 0.01 for value in manifest.examples.probability]}
    )
    for changes, message in (
        ({"columns": "0" * 64}, "was trained with another columns file"),
        ({"examples": examples}, "differs from its stored examples by 0.01"),
    ):
        lake.write(model_file(MANIFEST), manifest.model_copy(update=changes).to_bytes())
        with pytest.raises(ModelRefused, match=message):
            score.run(context)
    lake.write(model_file(MANIFEST), manifest.to_bytes())
    lake.write(model_file(ONNX), b"x")
    with pytest.raises(LakeError, match=r"model\.onnx has the hash"):
        score.run(context)
    assert lake.exists(list_to_score("a.csv"))


def test_parts_give_the_same_predictions(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list with a byte order mark, empty lines and quoted breaks is cut between rows only."""
    lines = [f'{20 + row},1,6.8,0,2.1,"a note\n{row}"' for row in range(60)]
    data = make_list(*lines[:30], "", *lines[30:], header=f"{HEADER},Note")
    context.lake.write(list_to_score("a.csv"), b"\xef\xbb\xbf" + data)
    score.run(context)
    whole = read(context.lake)
    monkeypatch.setattr(score, "PART_BYTES", 300)
    context.lake.write(list_to_score("a.csv"), b"\xef\xbb\xbf" + data)
    divided = replace(context, run_id="run-2")
    score.run(divided)
    manifest = context.lake.read_model(scores_manifest(TODAY, "run-2", "a.csv"), ScoresManifest)
    assert len(manifest.csv) > 3
    texts = [context.lake.read(part.key).decode() for part in manifest.csv]
    assert [row for text in texts for row in csv.DictReader(io.StringIO(text))] == whole
    assert len(whole) == 60


def test_workers_give_the_same_predictions(
    context: Context, make_context: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part is scored on a Dask worker, which loads the model from the lake."""
    monkeypatch.setattr(score, "PART_BYTES", 300)
    lines = [f"{20 + row},1,6.8,0,2.1" for row in range(60)]
    upload(context.lake, *lines)
    score.run(context)
    with dask_processes(tmp_path) as processes:
        upload(context.lake, *lines)
        score.run(make_context("run-2", dask=processes.settings))
    own, other = (
        context.lake.read_model(scores_manifest(TODAY, run_id, "a.csv"), ScoresManifest)
        for run_id in ("run-1", "run-2")
    )
    assert len(own.csv) > 3
    assert [part.sha256 for part in own.csv] == [part.sha256 for part in other.csv]


def test_a_list_that_is_changed_while_it_is_scored(context: Context, tmp_path: Path) -> None:
    """Each part has a hash, in the lake and on disk, so changed and truncated lists are refused."""
    lake, path, key = context.lake, tmp_path / "a.csv", list_to_score("a.csv")
    data = make_list(GOOD)
    path.write_bytes(data)
    with path.open("rb") as file:
        (part,) = divide_list(file, "a.csv", 1_000).parts
    sources = [list_parts.ListSource("a.csv", path=path), list_parts.ListSource("a.csv", key=key)]
    for changed in (make_list(UNUSUAL), data[:-5]):
        path.write_bytes(changed)
        lake.write(key, changed)
        for source in sources:
            message = r"a\.csv was changed while it was scored\. Run the stage again$"
            with pytest.raises(SourceError, match=message):
                source.read(lake, part)
    path.unlink()
    lake.delete(key)
    with pytest.raises(SourceError, match=r"a\.csv cannot be read: No such file"):
        sources[0].read(lake, part)
    with pytest.raises(LakeError, match=r"scoring/a\.csv does not exist"):
        sources[1].read(lake, part)


def test_a_run_never_replaces_the_predictions_of_another_list(context: Context) -> None:
    """A list that was uploaded under the same name after the run needs another run."""
    upload(context.lake, GOOD)
    score.run(context)
    first = read(context.lake)
    upload(context.lake, UNUSUAL)
    with pytest.raises(DataError, match=r"run run-1 has scored another list of the name a\.csv"):
        score.run(context)
    assert read(context.lake) == first
    score.run(replace(context, run_id="run-2"))


def test_killed_and_run_again(context: Context) -> None:
    """A run that was killed at any write and run again has scored the list, and deleted it."""

    def check(faults: FaultInjector) -> None:
        upload(context.lake, GOOD, UNUSUAL)
        run = replace(context, run_id=f"run-{faults.at}-{faults.after}")
        try:
            score.run(with_faults(run, faults))
        except Killed:
            score.run(run)
        assert len(read(context.lake, run_id=run.run_id)) == 2
        assert context.lake.exists(scores_manifest(TODAY, run.run_id, "a.csv"))
        assert context.lake.keys(LISTS_TO_SCORE) == []

    for faults in kill_points(check):
        check(faults)


def test_the_versions_of_a_list_are_deleted(
    s3_lake: LakeSettings, make_context: MakeContext
) -> None:
    """On a bucket that keeps old versions, nothing of the list is left."""
    from pipeline.storage.s3 import s3_client

    context = replace(make_context(), lake=open_lake(s3_lake))
    client = s3_client(s3_lake)
    bucket = f"{s3_lake.bucket_prefix}-bronze"
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    write_fallback(context.lake, make_bundle())
    upload(context.lake, GOOD)
    upload(context.lake, UNUSUAL)
    score.run(context)
    assert len(read(context.lake)) == 1
    assert context.lake.versions(list_to_score("a.csv")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2\n3,4\n", 2),
        ("1,2\r\n3,4", 2),
        ("\n1,2\n\n3,4\n\r\n", 2),
        ("1,2\r3,4\r", 2),
        ('1,"a\nb"\n', 1),
        ("", 0),
        ("\n", 0),
    ],
)
def test_rows_are_counted(text: str, expected: int) -> None:
    """Empty lines are no rows, and a quoted value may have line breaks."""
    assert count_rows(text, ",") == expected


def test_a_list_has_the_features(context: Context) -> None:
    """The columns of a list are those that the model sees."""
    assert set(FEATURE_HEADER) == {feature.raw for feature in FEATURES}
