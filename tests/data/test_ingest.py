"""`ingest` stores raw bytes once, under their hash, and refuses files that no stage can use."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody

from pipeline.columns import RAW_HEADER
from pipeline.context import Context, open_context
from pipeline.data import downloads, sources
from pipeline.data.source_changes import read_changes
from pipeline.data.synthetic import generate_csv
from pipeline.errors import DataError, LakeError, SettingsError, SourceError
from pipeline.settings import Settings
from pipeline.settings.connections import LakeSettings
from pipeline.settings.data import IngestSettings
from pipeline.stages import ingest
from pipeline.storage.artifacts.data import BronzePointer
from pipeline.storage.lake import open_lake
from pipeline.storage.s3 import s3_client
from tests.support.file_server import serve_file

GOOD = generate_csv(20, seed=1)
GOOD_SHA256 = hashlib.sha256(GOOD).hexdigest()
HEADER = GOOD.partition(b"\n")[0]
MakeContext = Callable[..., Context]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A valid raw file."""
    path = tmp_path / "source.csv"
    path.write_bytes(GOOD)
    return path


@pytest.fixture
def web() -> Iterator[str]:
    """URL of a server that sends the valid raw file."""
    with serve_file(GOOD) as url:
        yield url


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0)


def run_ingest(make_context: MakeContext, source: Path | str, run_id: str = "run-1") -> Context:
    context = make_context(run_id, ingest={"source": str(source), "timeout_seconds": 1})
    ingest.run(context)
    return context


def read_pointer(context: Context) -> BronzePointer:
    return context.lake.read_model(f"bronze/runs/{context.run_id}.json", BronzePointer)


def test_bytes_are_stored_under_their_hash(make_context: MakeContext, source: Path) -> None:
    """Bronze has the unchanged bytes; the run and `latest` point to them."""
    context = run_ingest(make_context, source)
    assert context.lake.read(f"bronze/{GOOD_SHA256}.csv") == GOOD
    pointer = read_pointer(context)
    assert (pointer.sha256, pointer.rows, pointer.bytes) == (GOOD_SHA256, 20, len(GOOD))
    assert (pointer.source_sha256, pointer.dropped, pointer.key_secret_id) == (GOOD_SHA256, [], "")
    assert pointer.source == str(source)
    assert context.lake.read_model("bronze/latest.json", BronzePointer) == pointer


def test_the_same_file_twice(make_context: MakeContext, source: Path) -> None:
    """The same bytes are stored once; both runs point to them."""
    first = run_ingest(make_context, source)
    second = run_ingest(make_context, source, "run-2")
    assert [key for key in second.lake.keys("bronze/") if key.endswith(".csv")] == [
        f"bronze/{GOOD_SHA256}.csv"
    ]
    assert read_pointer(first).sha256 == read_pointer(second).sha256


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty\. It must be a CSV file with the header 'Age'"),
        (b" \n\n", r"is empty"),
        (HEADER + b"\n", r"has a header but no rows"),
        (
            b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title>",
            r"is a web page, not a CSV file.*quota",
        ),
        (b"\x89PNG\r\n\x1a\n\0\0", r"is not UTF-8: byte 0x89 in line 1"),
        (
            GOOD.replace(b"\n", b",caf\xe9\n", 3),
            r"is not UTF-8: byte 0xe9 in line 1\. Save the file as CSV UTF-8",
        ),
        (GOOD.replace(b"\n", b"\r"), r"cannot be parsed as CSV: new-line character"),
        (
            b"just some words\nand more\n",
            r"lacks the column 'Age', .*\. Its first line has none of the columns$",
        ),
        (
            GOOD.replace(b"Hours of Sleep", b"Sleep", 1),
            r"lacks the column 'Hours of Sleep'\. Its header is .*'Sleep'",
        ),
        (GOOD.replace(b"Hours of Sleep", b"Age", 1), r"has more than one column 'Age'"),
    ],
    ids=[
        "empty",
        "blank",
        "header-only",
        "web-page",
        "binary",
        "latin-1",
        "carriage-returns",
        "not-csv",
        "renamed-column",
        "duplicate-column",
    ],
)
def test_an_unusable_file_is_refused(
    make_context: MakeContext, source: Path, content: bytes, message: str
) -> None:
    """The message has the cause; bronze is unchanged."""
    lake = run_ingest(make_context, source).lake
    before = {key: lake.read(key) for key in lake.keys("bronze/")}
    source.write_bytes(content)
    with pytest.raises(DataError, match=message):
        run_ingest(make_context, source, "run-2")
    assert {key: lake.read(key) for key in lake.keys("bronze/")} == before


@pytest.mark.parametrize("separator", [",", "\0", ";"])
def test_errors_quote_little_of_a_file(
    make_context: MakeContext, source: Path, separator: str
) -> None:
    """A file that is not the survey, such as a process's environment, is not printed."""
    source.write_text(separator.join(f"VARIABLE_{n}=secret-{n}" for n in range(500)))
    with pytest.raises(DataError, match="lacks the column") as caught:
        run_ingest(make_context, source)
    assert "Its first line has none of the columns" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_errors_quote_little_of_duplicate_columns(make_context: MakeContext, source: Path) -> None:
    """Of a long header whose columns appear twice, the beginning is; a row is not."""
    header = ",".join(f'"{name}"' for name in [*RAW_HEADER, *map(str, range(500))])
    source.write_text(f"{header},{header}\n1,2\n")
    with pytest.raises(DataError, match="has more than one column") as caught:
        run_ingest(make_context, source)
    assert len(str(caught.value)) < 400
    source.write_text("ann,7,7\nben,8,8\n")
    with pytest.raises(DataError, match="Its first line has none of the columns") as caught:
        run_ingest(make_context, source)
    assert "7" not in str(caught.value).removeprefix(str(source))


def test_a_path_is_refused_if_the_lake_is_on_s3(s3_lake: LakeSettings, source: Path) -> None:
    """On a cluster a path is a file of the pod; the message has the alternatives."""
    for path in ("/proc/self/environ", str(source)):
        settings = Settings(lake=s3_lake, ingest=IngestSettings(source=path))
        with pytest.raises(SettingsError, match=f"'{path}' is a path.*s3://BUCKET/KEY"):
            ingest.run(open_context(settings, "run-1"))
    assert open_lake(s3_lake).keys("bronze/") == []


def test_a_missing_file(make_context: MakeContext, tmp_path: Path) -> None:
    """The message has the path, the cause and the setting."""
    with pytest.raises(
        SourceError, match=r"nowhere\.csv cannot be read: No such file.*MLOPS_INGEST__SOURCE"
    ):
        run_ingest(make_context, tmp_path / "nowhere.csv")


def test_too_many_bytes(make_context: MakeContext, source: Path) -> None:
    """A source larger than the limit is refused before it fills the memory."""
    with pytest.raises(SourceError, match="has more than 100 bytes; MLOPS_INGEST__MAX_BYTES"):
        ingest.run(make_context(ingest={"source": str(source), "max_bytes": 100}))


def test_a_lake_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    """The message has the setting of the lake."""
    (tmp_path / "file").write_text("")
    settings = Settings.model_validate(
        {"lake": {"url": f"file://{tmp_path}/file/lake"}, "ingest": {"source": str(source)}}
    )
    with pytest.raises(LakeError, match=r"cannot be written.*MLOPS_LAKE__URL"):
        ingest.run(open_context(settings, "run-1"))


def test_source_on_s3(s3_lake: LakeSettings) -> None:
    """An S3 object is a source; a missing one is an error."""
    bucket = f"{s3_lake.bucket_prefix}-bronze"
    s3_client(s3_lake).put_object(Bucket=bucket, Key="inbox/a.csv", Body=GOOD)
    settings = Settings(lake=s3_lake, ingest=IngestSettings(source=f"s3://{bucket}/inbox/a.csv"))
    ingest.run(open_context(settings, "run-1"))
    assert open_lake(s3_lake).read(f"bronze/{GOOD_SHA256}.csv") == GOOD
    missing = Settings(lake=s3_lake, ingest=IngestSettings(source=f"s3://{bucket}/b.csv"))
    with pytest.raises(SourceError, match=r"b\.csv cannot be read: .*NoSuchKey"):
        ingest.run(open_context(missing, "run-2"))


def test_a_source_on_s3_that_is_refused(
    s3_lake: LakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the value that allows the source."""
    refused = ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
    client = Mock(get_object=Mock(side_effect=refused))
    monkeypatch.setattr(sources, "s3_client", lambda _: client)
    settings = Settings(lake=s3_lake, ingest=IngestSettings(source="s3://exports/a.csv"))
    with pytest.raises(SourceError, match=r"add exports/a\.csv to objectStore\.sources"):
        ingest.run(open_context(settings, "run-1"))


def test_generated_rows(make_context: MakeContext) -> None:
    """`sample` and `sample:ROWS` generate rows; another suffix is refused."""
    assert read_pointer(run_ingest(make_context, "sample:7")).rows == 7
    assert read_pointer(run_ingest(make_context, "sample", "run-2")).rows == 1000
    with pytest.raises(SourceError, match="'sample:many' lacks a number of rows"):
        run_ingest(make_context, "sample:many")


@pytest.mark.parametrize("path", ["file", "moved"])
def test_source_on_the_web(make_context: MakeContext, web: str, path: str) -> None:
    """A URL is a source, and redirects are followed."""
    assert read_pointer(run_ingest(make_context, f"{web}/{path}")).sha256 == GOOD_SHA256


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("cut", "the download was cut off"),
        ("missing", "the server responded with 404"),
        ("hang", r"did not respond within 1 s \(MLOPS_INGEST__TIMEOUT_SECONDS\)"),
    ],
)
def test_a_failed_download(make_context: MakeContext, web: str, path: str, message: str) -> None:
    """The message has the cause, and nothing is stored."""
    with pytest.raises(SourceError, match=f"{web}/{path} cannot be read: .*{message}"):
        run_ingest(make_context, f"{web}/{path}")
    assert make_context().lake.keys("bronze/") == []


def test_a_download_that_is_cut_off_continues(
    make_context: MakeContext, web: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server sends the rest, and the file has the bytes of the source."""
    context = run_ingest(make_context, f"{web}/once")
    assert read_pointer(context).sha256 == GOOD_SHA256
    assert f"/once was cut off after {len(GOOD) // 2:,} bytes" in capsys.readouterr().err


def test_a_file_that_is_replaced_while_it_is_downloaded(
    make_context: MakeContext, web: str
) -> None:
    """The download begins again, so no file has bytes of two versions."""
    context = run_ingest(make_context, f"{web}/replaced")
    pointer = read_pointer(context)
    assert pointer.source_sha256 == hashlib.sha256(GOOD * 2).hexdigest()


@pytest.mark.parametrize("is_replaced", [False, True])
def test_an_s3_object_that_is_cut_off(
    s3_lake: LakeSettings, monkeypatch: pytest.MonkeyPatch, is_replaced: bool
) -> None:
    """Its rest is read, unless it was replaced meanwhile."""
    bucket = f"{s3_lake.bucket_prefix}-models"
    client = s3_client(s3_lake)
    client.put_object(Bucket=bucket, Key="a.csv", Body=GOOD)
    expected = GOOD + GOOD.partition(b"\n")[2] if is_replaced else GOOD
    read, ranges = StreamingBody.iter_chunks, []

    def cut(self: StreamingBody, size: int) -> Iterator[bytes]:
        ranges.append(int(self._content_length))
        if len(ranges) == 1:
            yield next(read(self, 100))
            if is_replaced:
                client.put_object(Bucket=bucket, Key="a.csv", Body=expected)
            raise ReadTimeoutError(endpoint_url="x")
        yield from read(self, size)

    monkeypatch.setattr(StreamingBody, "iter_chunks", cut)
    settings = Settings(lake=s3_lake, ingest=IngestSettings(source=f"s3://{bucket}/a.csv"))
    context = open_context(settings, "run-1")
    ingest.run(context)
    assert read_pointer(context).sha256 == hashlib.sha256(expected).hexdigest()
    assert ranges[1] == (len(expected) if is_replaced else len(GOOD) - 100)


def write_files(folder: Path) -> list[Path]:
    """Write the valid raw file as three files, of which one lacks the line break at its end."""
    header, *lines = GOOD.splitlines(keepends=True)
    folder.mkdir()
    parts = [lines[:5], lines[5:6], lines[6:]]
    paths = [folder / f"{name}.csv" for name in "abc"]
    for path, part in zip(paths, parts, strict=True):
        path.write_bytes(header + b"".join(part))
    paths[1].write_bytes(b"\xef\xbb\xbf" + paths[1].read_bytes().rstrip())
    (folder / "README.md").write_text("no data")
    return paths


@pytest.mark.parametrize("pattern", ["", "/*.csv"])
def test_several_files_are_one_dataset(
    make_context: MakeContext, tmp_path: Path, pattern: str
) -> None:
    """A folder and a glob stand for their files, in the order of their names."""
    paths = write_files(tmp_path / "exports")
    pointer = read_pointer(run_ingest(make_context, f"{tmp_path}/exports{pattern}"))
    assert (pointer.sha256, pointer.rows) == (GOOD_SHA256, 20)
    assert [file.name for file in pointer.files] == [str(path) for path in paths]
    assert pointer.files[0].sha256 == hashlib.sha256(paths[0].read_bytes()).hexdigest()


def test_a_prefix_on_s3(s3_lake: LakeSettings, tmp_path: Path) -> None:
    """Stands for the CSV files below it."""
    bucket = f"{s3_lake.bucket_prefix}-models"
    for path in write_files(tmp_path / "exports"):
        s3_client(s3_lake).put_object(
            Bucket=bucket, Key=f"exports/2026/{path.name}", Body=path.read_bytes()
        )
    settings = Settings(lake=s3_lake, ingest=IngestSettings(source=f"s3://{bucket}/exports/"))
    context = open_context(settings, "run-1")
    ingest.run(context)
    assert read_pointer(context).sha256 == GOOD_SHA256
    empty = IngestSettings(source=f"s3://{bucket}/nothing/")
    with pytest.raises(SourceError, match=r"nothing/ has no files that end with \.csv"):
        ingest.run(open_context(Settings(lake=s3_lake, ingest=empty), "run-2"))


def test_files_with_different_headers(make_context: MakeContext, tmp_path: Path) -> None:
    """The message has both files, and no header, because a first line may be a person's row."""
    paths = write_files(tmp_path / "exports")
    paths[2].write_bytes(paths[2].read_bytes().replace(b"Age", b"Years", 1))
    with pytest.raises(DataError, match=r"c\.csv has another first line than .*a\.csv\.") as caught:
        run_ingest(make_context, tmp_path / "exports")
    assert "Years" not in str(caught.value)
    assert make_context().lake.keys("bronze/") == []


def test_a_folder_of_the_inbox(make_context: MakeContext, tmp_path: Path) -> None:
    """Is refused, because files of persons are deleted from it one by one."""
    inbox = tmp_path / "lake/bronze/inbox"
    inbox.parent.mkdir(parents=True)
    write_files(inbox)
    with pytest.raises(SourceError, match="is a folder of the inbox"):
        run_ingest(make_context, inbox)


def test_many_files_that_are_too_large(make_context: MakeContext, tmp_path: Path) -> None:
    """The limit is for all of them."""
    write_files(tmp_path / "exports")
    limits = {"source": str(tmp_path / "exports"), "max_bytes": len(GOOD) - 10}
    with pytest.raises(SourceError, match=r"the files of .*exports have more than"):
        ingest.run(make_context(ingest=limits))


def test_a_download_that_is_too_large(make_context: MakeContext, web: str) -> None:
    """The download stops at the limit."""
    with pytest.raises(SourceError, match="has more than 100 bytes"):
        ingest.run(make_context(ingest={"source": f"{web}/file", "max_bytes": 100}))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://[", "http:file"])
def test_a_url_without_a_server(make_context: MakeContext, url: str) -> None:
    """A refused connection and a malformed URL are errors with the source."""
    with pytest.raises(SourceError, match=r"^http:.* cannot be read"):
        run_ingest(make_context, url)


def test_google_drive_is_unreachable(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a connection the stage fails; it does not fall back to other data."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(
        SourceError, match="gdrive:abc cannot be read: the connection to the server failed"
    ):
        run_ingest(make_context, "gdrive:abc")
    assert make_context().lake.keys("bronze/") == []


def test_a_missing_column_is_recorded(make_context: MakeContext, source: Path) -> None:
    """For the drift check; another file, without any of the columns, is no change of this one."""
    source.write_bytes(b"just,some\n1,2\n")
    with pytest.raises(DataError):
        run_ingest(make_context, source)
    assert read_changes(make_context().lake) == []
    source.write_bytes(GOOD.replace(b"Hours of Sleep", b"Sleep", 1))
    with pytest.raises(DataError):
        run_ingest(make_context, source, "run-2")
    assert read_changes(make_context().lake) == [
        "The raw file of run run-2 lacks the column 'Hours of Sleep', so it was refused."
    ]
