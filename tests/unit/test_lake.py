"""The lake keeps whole, checked objects, on a disk and on S3 alike."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import LakeError
from pipeline.settings import LakeSettings
from pipeline.storage.lake import Lake, open_lake, to_json_bytes


def test_reads_what_was_written(lake: Lake) -> None:
    """An object reads back as it was written, and its hash is SHA-256."""
    assert lake.write("gold/a/train.parquet", b"rows") == hashlib.sha256(b"rows").hexdigest()
    assert lake.read("gold/a/train.parquet") == b"rows"


def test_write_replaces(lake: Lake) -> None:
    """A later write replaces the whole object."""
    lake.write("reports/x.json", b"a longer first version")
    lake.write("reports/x.json", b"second")
    assert lake.read("reports/x.json") == b"second"


def test_create_never_replaces(lake: Lake) -> None:
    """`create` writes once; the second call says so and changes nothing."""
    assert lake.create("bronze/x.csv", b"first")
    assert not lake.create("bronze/x.csv", b"second")
    assert lake.read("bronze/x.csv") == b"first"


def test_refuses_changed_bytes(lake: Lake) -> None:
    """Bytes that are not of the recorded hash are refused, with both hashes."""
    recorded = lake.write("gold/a/train.parquet", b"rows")
    lake.write("gold/a/train.parquet", b"tampered")
    with pytest.raises(LakeError, match=f"has the hash .*, but {recorded} was recorded"):
        lake.read("gold/a/train.parquet", recorded)


def test_missing_object(lake: Lake) -> None:
    """A missing object is named, with what to do."""
    assert not lake.exists("gold/a/manifest.json")
    with pytest.raises(LakeError, match=r"gold/a/manifest\.json does not exist; run the stage"):
        lake.read("gold/a/manifest.json")


def test_lists_by_prefix(lake: Lake) -> None:
    """Keys are listed by prefix, sorted, and none of another layer or run."""
    for key in ("silver/live/b", "silver/live/a", "silver/other/c", "gold/live/d"):
        lake.write(key, b"")
    assert lake.keys("silver/live/") == ["silver/live/a", "silver/live/b"]
    assert lake.keys("models/") == []


def test_delete(lake: Lake) -> None:
    """A deleted object is gone; deleting it again is no error."""
    lake.write("reports/x", b"")
    lake.delete("reports/x")
    lake.delete("reports/x")
    assert not lake.exists("reports/x")


def test_equal_json_is_equal_bytes() -> None:
    """The order in which a JSON object was built does not change its bytes."""
    assert to_json_bytes({"a": 1, "b": 2}) == to_json_bytes({"b": 2, "a": 1})


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A lake below a file is a sentence that names the setting."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match=r"cannot be written: Not a directory.*MLOPS_LAKE__URL"):
        open_lake(LakeSettings(url=f"file://{tmp_path}/file")).write("gold/x", b"")


def test_bucket_that_is_not_there(s3_lake: LakeSettings) -> None:
    """A missing bucket is a sentence that names the object and the settings."""
    other = s3_lake.model_copy(update={"url": "s3://nowhere"})
    with pytest.raises(
        LakeError, match=r"s3://nowhere-gold/x cannot be written: .*MLOPS_LAKE__ENDPOINT"
    ):
        open_lake(other).write("gold/x", b"")


def test_unknown_kind_of_lake() -> None:
    """A URL of another kind is refused with its value."""
    with pytest.raises(LakeError, match="'gs://x'; it must begin with file:// or s3://"):
        open_lake(LakeSettings(url="gs://x"))


def test_killed_writer_leaves_the_old_object(tmp_path: Path) -> None:
    """A writer that dies in the middle leaves the old object whole and nothing that is listed."""
    lake = open_lake(LakeSettings(url=f"file://{tmp_path}"))
    lake.write("reports/x", b"old")
    program = (
        "import os, pipeline.storage.lake as module\n"
        "from pipeline.settings import LakeSettings\n"
        "os.fsync = lambda _: os._exit(9)\n"  # dies when the bytes are written and not yet visible
        f"module.open_lake(LakeSettings(url='file://{tmp_path}')).write('reports/x', b'new')\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    assert died.returncode == 9
    assert lake.read("reports/x") == b"old"
    assert lake.keys("reports/") == ["reports/x"]
