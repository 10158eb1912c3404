"""Columns that the columns file does not have, and the pseudonyms of keys, at ingest."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from pipeline.context import Context
from pipeline.data.blocks import Block
from pipeline.data.pseudonyms import PSEUDONYM_LENGTH, Pseudonyms, open_pseudonyms
from pipeline.data.raw_csv import check_header
from pipeline.data.raw_table import Rewriter
from pipeline.data.synthetic import generate_csv
from pipeline.errors import DataError, SettingsError
from pipeline.settings import Settings
from pipeline.settings.connections import LakeSettings
from pipeline.stages import ingest
from pipeline.storage.artifacts.data import BronzePointer

GOOD = generate_csv(20, seed=1)
GOOD_SHA256 = hashlib.sha256(GOOD).hexdigest()
SECRET = "0123456789abcdef"
MakeContext = Callable[..., Context]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A valid raw file with two more columns, the first of them quoted."""
    header, *rows = GOOD.decode().splitlines()
    lines = [f'"Shoe, Size",{header},Eye', *(f'"42, wide",{row},blue' for row in rows)]
    path = tmp_path / "source.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def run_ingest(make_context: MakeContext, source: Path, **settings: str) -> BronzePointer:
    context = make_context(ingest={"source": str(source), **settings})
    ingest.run(context)
    return context.lake.read_model("bronze/runs/run-1.json", BronzePointer)


def test_extra_columns_are_dropped(
    make_context: MakeContext, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bronze has the file without them; the pointer has both hashes, and the message the names."""
    pointer = run_ingest(make_context, source)
    assert (pointer.sha256, pointer.dropped) == (GOOD_SHA256, ["Shoe, Size", "Eye"])
    assert pointer.source_sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert make_context().lake.read(f"bronze/{GOOD_SHA256}.csv") == GOOD
    message = "extra columns are not stored (MLOPS_INGEST__EXTRA_COLUMNS): Shoe, Size, Eye"
    assert message in capsys.readouterr().err


def test_extra_columns_can_be_kept(
    make_context: MakeContext, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bronze then has the unchanged bytes."""
    pointer = run_ingest(make_context, source, extra_columns="keep")
    assert pointer.sha256 == pointer.source_sha256
    assert make_context().lake.read(f"bronze/{pointer.sha256}.csv") == source.read_bytes()
    assert "kept in bronze and otherwise ignored: Shoe, Size, Eye" in capsys.readouterr().err


def test_extra_columns_can_be_refused(make_context: MakeContext, source: Path) -> None:
    """The message has their names and what to do, and nothing is stored."""
    with pytest.raises(DataError, match=r"does not have: Shoe, Size, Eye\. Add them.*`ignore`"):
        run_ingest(make_context, source, extra_columns="refuse")
    assert make_context().lake.keys("bronze/") == []


def test_ignored_columns_are_not_extra(
    make_context: MakeContext,
    source: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are dropped without a message, whatever happens to extra columns."""
    monkeypatch.setattr(ingest, "IGNORED", ("Eye", "Shoe, Size", "Absent"))
    for policy in ("refuse", "keep"):
        assert run_ingest(make_context, source, extra_columns=policy).sha256 == GOOD_SHA256
    assert "extra columns" not in capsys.readouterr().err


def test_a_malformed_row_is_stored_blank() -> None:
    """A shifted value must not end up in a column that is stored; quoted line breaks are kept."""
    raw = Mock(header="a,key,b\n", delimiter=",")
    block = Block(b'1,secret,2\n1,x,secret,2\n\nsecret,1\n"x\ny",secret,3\n', line=1)
    rewriter = Rewriter(raw, replace={"key": str.upper})
    assert rewriter.rewrite(block) == '1,SECRET,2\n,,\n,,\n"x\ny",SECRET,3\n'
    assert (rewriter.malformed, rewriter.malformed_lines) == (2, [3, 5])
    without_key = Rewriter(raw, drop=["key"])
    assert without_key.header == "a,b\n"
    assert without_key.rewrite(block).startswith("1,2\n,\n")


def test_pseudonyms() -> None:
    """They depend on the key and the secret; spaces do not count, and a blank stays blank."""
    pseudonyms = Pseudonyms(SECRET)
    made = pseudonyms.make("CARD-1")
    assert made == pseudonyms.make(" CARD-1 ") == Pseudonyms(SECRET).make("CARD-1")
    assert len(made) == PSEUDONYM_LENGTH
    assert made not in (pseudonyms.make("CARD-2"), Pseudonyms(f"{SECRET}x").make("CARD-1"))
    assert made != hashlib.sha256(b"CARD-1").hexdigest()[:PSEUDONYM_LENGTH]
    assert pseudonyms.make("  ") == pseudonyms.make("NA") == ""


def test_a_secret_is_generated_once(tmp_path: Path) -> None:
    """Next to the lake, readable only for its owner, and the same for parallel runs."""
    settings = Settings(lake=LakeSettings(url=f"file://{tmp_path}/data/lake"))
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: open_pseudonyms(settings).secret_id, range(8)))
    path = tmp_path / "data" / "key_secret"
    assert len(ids) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["key_secret"]
    assert Pseudonyms(path.read_text()).secret_id in ids


def test_a_secret_of_the_settings(tmp_path: Path) -> None:
    """It is used instead of a generated one, is not printed, and must not be short."""
    lake = {"url": f"file://{tmp_path}/lake"}
    settings = Settings.model_validate({"lake": lake, "ingest": {"key_secret": SECRET}})
    assert open_pseudonyms(settings).make("a") == Pseudonyms(SECRET).make("a")
    assert not (tmp_path / "key_secret").exists()
    assert SECRET not in repr(settings)
    with pytest.raises(SettingsError, match="KEY_SECRET has 5 characters, and") as error:
        Settings.load({"MLOPS_INGEST__KEY_SECRET": "guess"})
    assert "guess" not in str(error.value).replace("guessed", "")


def test_a_lake_on_s3_needs_a_secret() -> None:
    """A pod has no folder that outlives it."""
    settings = Settings(lake=LakeSettings(url="s3://"))
    with pytest.raises(SettingsError, match=r"MLOPS_INGEST__KEY_SECRET is not set.*random text"):
        open_pseudonyms(settings)


def test_a_file_without_a_header_is_not_quoted() -> None:
    """The first line may be a person's row."""
    text = "CARD-1,31,1\nCARD-2,32,0\n"
    with pytest.raises(DataError, match="Its first line has none of the columns") as error:
        check_header(text, "x.csv")
    assert "CARD-1" not in str(error.value)
