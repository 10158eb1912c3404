"""Ingest keeps raw bytes once, under their hash, and refuses what no later stage could use, with a sentence."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.columns import RAW_HEADER
from pipeline.context import Context, open_context
from pipeline.data.synthetic import generate_csv
from pipeline.errors import DataError, LakeError, PipelineError, SourceError
from pipeline.settings import IngestSettings, LakeSettings, Settings
from pipeline.stages import ingest
from pipeline.storage.lake import open_lake
from pipeline.storage.s3 import s3_client

GOOD = generate_csv(20, seed=1)
HEADER, ROWS = GOOD.split(b"\n", 1)
Make = Callable[..., Context]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A good source file, for a test to spoil."""
    path = tmp_path / "source.csv"
    path.write_bytes(GOOD)
    return path


def ingested(make_context: Make, source: Path | str, run_id: str = "run-1") -> Context:
    context = make_context(run_id, ingest={"source": str(source)})
    ingest.run(context)
    return context


def test_keeps_the_bytes_as_they_came(make_context: Make, source: Path) -> None:
    """Bronze holds the very bytes under their SHA-256; the run and `latest` point there."""
    context = ingested(make_context, source)
    sha256 = hashlib.sha256(GOOD).hexdigest()
    assert context.lake.read(f"bronze/{sha256}.csv") == GOOD
    facts = context.lake.read_json("bronze/runs/run-1.json")
    assert (facts["sha256"], facts["rows"], facts["bytes"]) == (sha256, 20, len(GOOD))
    assert facts["source"] == str(source)
    assert context.lake.read_json("bronze/latest.json") == facts


def test_same_file_twice(make_context: Make, source: Path) -> None:
    """The same bytes again make no second object; the second run points at the first's."""
    first = ingested(make_context, source)
    second = ingested(make_context, source, "run-2")
    assert [key for key in second.lake.keys("bronze/") if key.endswith(".csv")] == [
        f"bronze/{hashlib.sha256(GOOD).hexdigest()}.csv"
    ]
    one, two = (
        context.lake.read_json(f"bronze/runs/{context.run_id}.json") for context in (first, second)
    )
    assert one["sha256"] == two["sha256"]


def test_extra_column_is_kept_and_noted(
    make_context: Make, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A column that the contract does not know stays in bronze and is named."""
    lines = GOOD.decode().splitlines()
    source.write_text("\n".join([f"{lines[0]},Shoe Size", *(f"{line},42" for line in lines[1:])]))
    context = ingested(make_context, source)
    assert b"Shoe Size" in context.lake.read(next(iter(context.lake.keys("bronze/"))))
    assert "Shoe Size are kept in bronze and ignored" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"is empty; expected a CSV file whose header is 'Age'"),
        (b" \n\n", r"is empty"),
        (HEADER + b"\n", r"has a header and no rows"),
        (
            b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title>",
            r"is a web page, not a CSV file.*quota",
        ),
        (b"\x89PNG\r\n\x1a\n\0\0", r"is not UTF-8: byte 0x89 in line 1"),
        (
            GOOD.replace(b"\n", b",caf\xe9\n", 3),
            r"is not UTF-8: byte 0xe9 in line 1; save the file as CSV UTF-8",
        ),
        (
            b"just some words\nand more\n",
            r"lacks the column 'Age', .*; its header is 'just some words'",
        ),
        (GOOD.replace(b"Hours of Sleep,", b"", 1), r"lacks the column 'Hours of Sleep'"),
        (
            GOOD.replace(b"Hours of Sleep", b"Sleep", 1),
            r"lacks the column 'Hours of Sleep'; its header is .*'Sleep'",
        ),
        (GOOD.replace(b"Hours of Sleep", b"Age", 1), r"has the column 'Age' more than once"),
    ],
    ids=[
        "empty",
        "blank",
        "header-only",
        "web-page",
        "binary",
        "latin-1",
        "no-csv",
        "missing",
        "renamed",
        "duplicate",
    ],
)
def test_bad_file(make_context: Make, source: Path, content: bytes, sentence: str) -> None:
    """A file that cannot be used is a sentence with its value; bronze keeps what it had."""
    before = ingested(make_context, source)
    kept = {key: before.lake.read(key) for key in before.lake.keys("bronze/")}
    source.write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        ingested(make_context, source, "run-2")
    assert {key: before.lake.read(key) for key in before.lake.keys("bronze/")} == kept


def test_missing_file(make_context: Make, tmp_path: Path) -> None:
    """A path that is not there is named, with the setting."""
    with pytest.raises(
        SourceError, match=r"nowhere\.csv cannot be read: .*No such file.*MLOPS_INGEST__SOURCE"
    ):
        ingested(make_context, tmp_path / "nowhere.csv")


def test_too_much(make_context: Make, source: Path) -> None:
    """A source larger than the bound is refused before it fills the memory."""
    with pytest.raises(SourceError, match="sends more than 100 bytes; MLOPS_INGEST__MAX_BYTES"):
        ingest.run(make_context(ingest={"source": str(source), "max_bytes": 100}))


def test_lake_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    """A lake that cannot be written stops the stage with the setting's name."""
    (tmp_path / "file").write_text("")
    settings = Settings.model_validate(
        {"lake": {"url": f"file://{tmp_path}/file/lake"}, "ingest": {"source": str(source)}}
    )
    with pytest.raises(LakeError, match=r"cannot be written.*MLOPS_LAKE__URL"):
        ingest.run(open_context(settings, "run-1"))


def test_from_s3(s3_lake: LakeSettings) -> None:
    """An object of an S3 bucket is a source, and a missing one is a sentence."""
    bucket = f"{s3_lake.url.removeprefix('s3://')}-bronze"
    s3_client(s3_lake).put_object(Bucket=bucket, Key="inbox/a.csv", Body=GOOD)
    settings = Settings(lake=s3_lake, ingest=IngestSettings(source=f"s3://{bucket}/inbox/a.csv"))
    ingest.run(open_context(settings, "run-1"))
    assert open_lake(s3_lake).read(f"bronze/{hashlib.sha256(GOOD).hexdigest()}.csv") == GOOD
    missing = settings.model_copy(
        update={"ingest": settings.ingest.model_copy(update={"source": f"s3://{bucket}/b.csv"})}
    )
    with pytest.raises(SourceError, match=r"b\.csv cannot be read: .*NoSuchKey"):
        ingest.run(open_context(missing, "run-2"))


def test_sample_sizes(make_context: Make) -> None:
    """`sample` and `sample:ROWS` generate that many rows; anything else is refused."""
    assert ingested(make_context, "sample:7").lake.read_json("bronze/runs/run-1.json")["rows"] == 7
    assert (
        ingested(make_context, "sample", "run-2").lake.read_json("bronze/runs/run-2.json")["rows"]
        == 1000
    )
    with pytest.raises(SourceError, match="'sample:many' must say a number of rows"):
        ingested(make_context, "sample:many")


class Answers(http.server.BaseHTTPRequestHandler):
    """A web server that answers well, with an error, or with half of what it promised."""

    def do_GET(self) -> None:
        code = 404 if self.path == "/missing" else 200
        body = GOOD if self.path != "/cut" else GOOD[: len(GOOD) // 2]
        self.send_response(code)
        self.send_header("Content-Length", str(len(GOOD)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the tests' screen."""


@pytest.fixture
def web() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_from_the_web(make_context: Make, web: str) -> None:
    """A URL is a source."""
    assert ingested(make_context, f"{web}/good").lake.read_json("bronze/latest.json")["rows"] == 20


@pytest.mark.parametrize(("path", "sentence"), [("cut", "cut off"), ("missing", "404")])
def test_web_failures(make_context: Make, web: str, path: str, sentence: str) -> None:
    """A truncated download and an error answer are told apart, and nothing is kept."""
    with pytest.raises(PipelineError, match=sentence):
        ingested(make_context, f"{web}/{path}")
    assert make_context().lake.keys("bronze/") == []


def test_drive_out_of_reach(make_context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a way to Google Drive the stage fails with a sentence; it never takes other data by itself."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(
        SourceError, match="gdrive:abc cannot be read: no connection to the server could be made"
    ):
        ingested(make_context, "gdrive:abc")
    assert make_context().lake.keys("bronze/") == []


def test_generated_header_is_the_contract() -> None:
    """The generator writes the survey's own header."""
    import csv
    import io

    assert tuple(next(csv.reader(io.StringIO(GOOD.decode())))) == RAW_HEADER
