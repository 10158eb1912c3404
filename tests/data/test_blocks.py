"""Raw files are read in blocks of whole rows, also with quotes and line breaks in values."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.columns import RAW_HEADER
from pipeline.context import Context
from pipeline.data.blocks import LineCounter, RawFile
from pipeline.errors import DataError
from pipeline.settings import Settings
from pipeline.settings.connections import LakeSettings
from pipeline.settings.data import IngestSettings
from pipeline.stages import ingest, preprocess
from pipeline.storage.artifacts.data import BronzePointer
from pipeline.storage.s3 import s3_client

HEADER = ",".join(f'"{name}"' for name in (*RAW_HEADER, "Note")) + "\n"
SMALL = len(HEADER) + 90
"""Size of a block that has the header and a row of these tests."""
GOOD = "31,1,6.8,0,2.1,1,"
LARGE = HEADER + "".join(f"{GOOD}note {n}\n" for n in range(2000))


def read_blocks(text: str, block_bytes: int) -> list[str]:
    raw = RawFile(io.BytesIO(text.encode()), "x.csv", block_bytes)
    return [block.rows for block in raw.read_blocks()]


@pytest.mark.parametrize(
    "notes",
    [
        ["a", "b", "c"],
        ['"a\nb"', '"\n\n"', '"c, ""d""\n"'],
        ['5" wide', 'a ""b', 'c"'],
        ['"a\r\nb"\r', "b\r", "c\r"],
        ["é" * 30, '"ü\n"', "ß"],
    ],
    ids=["plain", "quoted-breaks", "stray-quotes", "carriage-returns", "not-ascii"],
)
@pytest.mark.parametrize("end", ["\n", ""], ids=["", "open-end"])
def test_blocks_end_where_rows_end(notes: list[str], end: str) -> None:
    """Blocks of any size have the text of the file, and each has whole rows as csv reads them."""
    rows = "\n".join(GOOD + note for note in notes * 5) + end
    whole = list(csv.reader(io.StringIO(rows, newline="")))
    for block_bytes in (SMALL, SMALL + 7, 10_000):
        blocks = read_blocks(HEADER + rows, block_bytes)
        assert "".join(blocks) == rows
        parts = [row for block in blocks for row in csv.reader(io.StringIO(block, newline=""))]
        assert parts == whole
    assert len(read_blocks(HEADER + rows, SMALL)) > 1


def test_a_header_with_line_breaks_and_a_byte_order_mark() -> None:
    """The header is one row, and the mark is no part of it."""
    header = "\ufeff" + HEADER.replace("Note", "No\nte")
    raw = RawFile(io.BytesIO(f"{header}{GOOD}x\n".encode()), "x.csv")
    assert raw.header == header.removeprefix("\ufeff")
    assert raw.unknown == ["No\nte"]
    assert [(block.rows, block.line) for block in raw.read_blocks()] == [(f"{GOOD}x\n", 2)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (f"{GOOD}a\n" * 9 + f'{GOOD}"\n' + f"{GOOD}a\n" * 90, "row that begins in line 11 does no"),
        (f"{GOOD}a\n" * 9 + f"{GOOD}{'a' * 900}\n", "row that begins in line 11 does not end with"),
        (f"{GOOD}a\n" * 90 + f"{GOOD}\udcff\n", "is not UTF-8: byte 0xff in line 92"),
    ],
    ids=["open-quote", "long-row", "not-utf-8"],
)
def test_a_broken_row_has_its_line(rows: str, message: str) -> None:
    """In whichever block it is."""
    data = (HEADER + rows).encode(errors="surrogateescape")
    raw = RawFile(io.BytesIO(data), "x.csv", 300)
    with pytest.raises(DataError, match=f"^x.csv.*{message}"):
        list(raw.read_blocks())


def test_a_quoted_value_beyond_the_limit_of_csv() -> None:
    """An open quote does not swallow the rest of a large file."""
    rows = f"{GOOD}a\n{GOOD}" + '"' + "a\n" * 100_000
    with pytest.raises(DataError, match="begins in line 3 cannot be parsed as CSV: field larger"):
        read_blocks(HEADER + rows * 2, 150_000)


def test_lines_are_counted_without_empty_ones_at_the_end() -> None:
    """Also if blocks end with empty lines."""
    lines = LineCounter()
    counts = []
    for data in (b"a\n\n", b"\n", b"b\nc\r\n", b"\n\n", b"d"):
        lines.add(data)
        counts.append(lines.count)
    assert counts == [1, 1, 5, 5, 8]


@pytest.fixture
def refuse_whole_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make reading one of the test's files of more than 10 kB fail unless a size is given."""
    opened = Path.open

    class Bounded(io.FileIO):
        def read(self, size: int | None = -1, /) -> Any:
            assert size is not None and size > 0, "the whole file is read into memory"
            return super().read(size)

        readall = read

    def bounded(self: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode == "rb" and tmp_path in self.parents and self.stat().st_size > 10_000:
            return Bounded(self)
        return opened(self, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", bounded)
    monkeypatch.setattr(os, "fdopen", Bounded)


@pytest.mark.usefixtures("refuse_whole_reads")
@pytest.mark.parametrize("policy", ["keep", "drop"])
def test_no_stage_reads_a_whole_raw_file(
    make_context: Callable[..., Context], tmp_path: Path, policy: str
) -> None:
    """Neither the source, nor its copy, nor bronze, whether columns are dropped or not."""
    source = tmp_path / "source.csv"
    source.write_text(LARGE)
    context = make_context(ingest={"source": str(source), "extra_columns": policy})
    ingest.run(context)
    preprocess.run(context)
    pointer = context.lake.read_model("bronze/latest.json", BronzePointer)
    assert pointer.rows == 2000
    assert context.lake.size(f"bronze/{pointer.sha256}.csv") == pointer.bytes
    with pytest.raises(AssertionError, match="whole file"):
        context.lake.read(f"bronze/{pointer.sha256}.csv")


def test_an_s3_source_is_not_read_as_a_whole(
    s3_lake: LakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its body is read in chunks."""
    from botocore.response import StreamingBody

    from pipeline.context import open_context

    read = StreamingBody.read

    def bounded(self: StreamingBody, amt: int | None = None) -> bytes:
        assert amt or int(self._content_length) < 10_000, "the whole object is read into memory"
        data: bytes = read(self, amt)
        return data

    monkeypatch.setattr(StreamingBody, "read", bounded)
    bucket = f"{s3_lake.bucket_prefix}-bronze"
    s3_client(s3_lake).put_object(Bucket=bucket, Key="inbox/a.csv", Body=LARGE.encode())
    settings = Settings(lake=s3_lake, ingest=IngestSettings(source=f"s3://{bucket}/inbox/a.csv"))
    context = open_context(settings, "run-1")
    ingest.run(context)
    assert context.lake.read_model("bronze/latest.json", BronzePointer).rows == 2000
