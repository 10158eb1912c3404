"""The lake stores whole objects and checks their hashes, on disk and on S3."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import LakeError
from pipeline.settings.connections import LakeSettings
from pipeline.storage.lake import Lake, open_lake, to_json_bytes


def test_write_and_read(lake: Lake) -> None:
    """An object is read as it was written; `write` returns its SHA-256."""
    assert lake.write("gold/a/train.parquet", b"rows") == hashlib.sha256(b"rows").hexdigest()
    assert lake.read("gold/a/train.parquet") == b"rows"


def test_write_replaces(lake: Lake) -> None:
    """A second write replaces the whole object."""
    lake.write("reports/x.json", b"a longer first version")
    lake.write("reports/x.json", b"second")
    assert lake.read("reports/x.json") == b"second"


def test_create_never_replaces(lake: Lake) -> None:
    """`create` writes an object once; the second call returns False and changes nothing."""
    assert lake.create("bronze/x.csv", b"first")
    assert not lake.create("bronze/x.csv", b"second")
    assert lake.read("bronze/x.csv") == b"first"


def test_modified_bytes_are_refused(lake: Lake) -> None:
    """The message has the actual and the recorded hash."""
    recorded = lake.write("gold/a/train.parquet", b"rows")
    lake.write("gold/a/train.parquet", b"tampered")
    with pytest.raises(LakeError, match=f"has the hash .*, but {recorded} was recorded"):
        lake.read("gold/a/train.parquet", recorded)


def test_a_missing_object(lake: Lake) -> None:
    """The message has the object's location, and what to do."""
    assert not lake.exists("gold/a/manifest.json")
    with pytest.raises(LakeError, match=r"gold/a/manifest\.json does not exist; run the stage"):
        lake.read("gold/a/manifest.json")


def test_lists_by_prefix(lake: Lake) -> None:
    """Keys are listed by prefix, sorted, without those of other layers and runs."""
    for key in ("silver/live/b", "silver/live/a", "silver/other/c", "gold/live/d"):
        lake.write(key, b"")
    assert lake.keys("silver/live/") == ["silver/live/a", "silver/live/b"]
    assert lake.keys("silver/", before="silver/live/b") == ["silver/live/a"]
    assert lake.keys("models/") == []


def test_delete(lake: Lake) -> None:
    """A deleted object is gone; deleting it twice is no error."""
    lake.write("reports/x", b"")
    lake.delete("reports/x")
    lake.delete("reports/x")
    assert not lake.exists("reports/x")


def test_equal_json_gives_equal_bytes() -> None:
    """The order of keys does not change the bytes."""
    assert to_json_bytes({"a": 1, "b": 2}) == to_json_bytes({"b": 2, "a": 1})


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The message has the cause and the setting."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match=r"cannot be written: Not a directory.*MLOPS_LAKE__URL"):
        open_lake(LakeSettings(url=f"file://{tmp_path}/file")).write("gold/x", b"")


def test_a_missing_bucket(s3_lake: LakeSettings) -> None:
    """The message has the object and the settings."""
    other = s3_lake.model_copy(update={"url": "s3://nowhere"})
    with pytest.raises(
        LakeError, match=r"s3://nowhere-gold/x cannot be written: .*MLOPS_LAKE__ENDPOINT"
    ):
        open_lake(other).write("gold/x", b"")


def test_an_unknown_url_scheme() -> None:
    """The message has the URL and the accepted schemes."""
    with pytest.raises(LakeError, match="'gs://x'; it must begin with file:// or s3://"):
        open_lake(LakeSettings(url="gs://x"))


def test_a_folder_that_cannot_be_deleted_from(tmp_path: Path) -> None:
    """Deleting fails with the cause, not with a traceback."""
    lake = open_lake(LakeSettings(url=f"file://{tmp_path}"))
    (tmp_path / "gold" / "x").mkdir(parents=True)
    with pytest.raises(LakeError, match=r"gold/x cannot be deleted: .*MLOPS_LAKE__URL"):
        lake.delete("gold/x")


def test_a_killed_writer_leaves_the_old_object(tmp_path: Path) -> None:
    """A process that dies while it writes leaves the old object, and nothing else is listed."""
    lake = open_lake(LakeSettings(url=f"file://{tmp_path}"))
    lake.write("reports/x", b"old")
    program = (
        "import os, pipeline.storage.lake as module\n"
        "from pipeline.settings.connections import LakeSettings\n"
        "os.fsync = lambda _: os._exit(9)\n"  # after the bytes are written, before the rename
        f"module.open_lake(LakeSettings(url='file://{tmp_path}')).write('reports/x', b'new')\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    assert process.returncode == 9
    assert lake.read("reports/x") == b"old"
    assert lake.keys("reports/") == ["reports/x"]
