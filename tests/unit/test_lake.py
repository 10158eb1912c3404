"""The lake stores whole objects and checks their hashes, on disk and on S3."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import LakeError
from pipeline.settings.connections import LakeSettings
from pipeline.storage import s3
from pipeline.storage.lake import Lake, open_lake, to_json_bytes
from pipeline.storage.streams import NewFile


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


def test_a_range_of_an_object(lake: Lake) -> None:
    """A range is read as far as the object goes, and its hash is compared."""
    key = "bronze/x.csv"
    lake.write(key, b"a,b\n1,2\n")
    recorded = hashlib.sha256(b"1,2\n").hexdigest()
    assert lake.read_range(key, 4, 4, recorded) == b"1,2\n"
    assert lake.read_range(key, 6, 100) == b"2\n"
    assert lake.read_range(key, 100, 4) == b""
    with pytest.raises(LakeError, match=f"but {recorded} was recorded"):
        lake.read_range(key, 0, 4, recorded)
    with pytest.raises(LakeError, match="does not exist"):
        lake.read_range("bronze/y.csv", 0, 4)


def store(lake: Lake, key: str, *parts: bytes) -> str:
    with lake.new_file("gold") as file:
        for part in parts:
            file.write(part)
        return lake.write_file(key, file)


def test_a_file_is_stored_and_streamed(lake: Lake) -> None:
    """An object that was written in parts is read in parts; its hash is that of all its bytes."""
    sha256 = store(lake, "gold/a/train.parquet", b"old")
    sha256 = store(lake, "gold/a/train.parquet", b"ro", b"ws")
    assert sha256 == hashlib.sha256(b"rows").hexdigest()
    assert lake.read("gold/a/train.parquet", sha256) == b"rows"
    assert lake.size("gold/a/train.parquet") == 4
    with lake.open("gold/a/train.parquet", sha256) as stream:
        assert [stream.read(3), stream.read(3), stream.read(3)] == [b"row", b"s", b""]
    assert lake.keys("gold/") == ["gold/a/train.parquet"]


def test_a_file_never_replaces_an_object_that_is_created(lake: Lake) -> None:
    """`create_file` stores a file once, as `create` does with bytes."""
    for data, is_new in ((b"first", True), (b"second", False)):
        with lake.new_file("bronze") as file:
            file.write(data)
            assert lake.create_file("bronze/x.csv", file) == is_new
    assert lake.read("bronze/x.csv") == b"first"


def test_a_large_file_is_uploaded_in_parts(
    s3_lake: LakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts are one object; if one of them fails, there is no object and no part is left."""
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)  # the smallest part that S3 accepts
    lake, data = open_lake(s3_lake), os.urandom(11 << 20)
    sha256 = store(lake, "gold/large", data)
    with lake.open("gold/large", sha256) as stream:
        assert stream.read() == data
    client = lake._store._client  # type: ignore[attr-defined]
    fail = BotoCoreError()
    monkeypatch.setattr(client, "complete_multipart_upload", Mock(side_effect=fail))
    with pytest.raises(LakeError, match="gold/broken cannot be written"):
        store(lake, "gold/broken", data)
    assert not lake.exists("gold/broken")
    assert "Uploads" not in client.list_multipart_uploads(Bucket=f"{s3_lake.bucket_prefix}-gold")


def test_a_stream_with_another_hash_is_refused(lake: Lake) -> None:
    """At its end, because the hash is not known before."""
    lake.write("gold/a/train.parquet", b"tampered")
    with (
        lake.open("gold/a/train.parquet", "0" * 64) as stream,
        pytest.raises(LakeError, match=r"has the hash .*, but 0000"),
    ):
        assert stream.read(2) == b"ta"
        stream.read()


def test_an_unfinished_file_is_no_object(lake: Lake) -> None:
    """A writer that fails leaves nothing, and the next one starts with an empty file."""
    with pytest.raises(ValueError, match="broken off"), lake.new_file("gold") as file:
        file.write(b"half")
        raise ValueError("broken off")
    with lake.new_file("gold") as file, file.read_again() as stream:
        assert stream.read() == b""
    assert lake.keys("gold/") == []
    assert not file.path.exists()


def test_a_scratch_file_has_no_name(tmp_path: Path) -> None:
    """A process that is killed leaves nothing of it, even if it has the keys of persons."""
    lake = open_lake(LakeSettings(url=f"file://{tmp_path}/lake"))
    with lake.scratch_file("bronze") as file:
        file.write(b"key")
        with file.read_again() as stream:
            assert stream.read() == b"key"
        assert list((tmp_path / "lake/bronze").iterdir()) == []
    assert (file.size, file.sha256) == (3, hashlib.sha256(b"key").hexdigest())


def test_leftovers_of_killed_writers_are_deleted(tmp_path: Path) -> None:
    """A killed process leaves its temporary file; a later one deletes it after a day."""
    lake = open_lake(LakeSettings(url=f"file://{tmp_path}"))
    with lake.new_file("gold") as file:
        kept, old = (file.path.with_name(f".writing-{name}") for name in ("new", "old"))
        kept.touch()
        old.touch()
        os.utime(old, (0, 0))
    with lake.new_file("gold"):
        assert (kept.exists(), old.exists()) == (True, False)


def test_a_full_disk() -> None:
    """The message has the file, how many bytes came before, and what to do."""
    with (
        NewFile(Path("/dev/full")) as file,
        pytest.raises(LakeError, match=r"after 1 bytes: No space left on device\. Free space"),
    ):
        file.write(b"x")
        file.finish()


def test_a_missing_object(lake: Lake) -> None:
    """The message has the object's location, and what to do."""
    assert not lake.exists("gold/a/manifest.json")
    with pytest.raises(LakeError, match=r"gold/a/manifest\.json does not exist; run the stage"):
        lake.read("gold/a/manifest.json")
    for method in (lake.open, lake.size):
        with pytest.raises(LakeError, match=r"gold/a/manifest\.json does not exist"):
            method("gold/a/manifest.json")


@pytest.mark.parametrize("method", ["read", "chunks", "size"])
def test_a_missing_object_that_aws_refuses(s3_lake: LakeSettings, method: str) -> None:
    """Without the right to list a whole bucket, AWS refuses requests for missing objects.

    They are missing for the lake, too. A refused object that exists is an error.
    """
    store = s3.S3Store.from_settings(s3_lake)
    store.write("gold/there", b"x")
    for operation, code in (("get_object", "AccessDenied"), ("head_object", "403")):
        error = ClientError({"Error": {"Code": code}}, operation)
        setattr(store._client, operation, Mock(side_effect=error))
    assert getattr(store, method)("gold/missing") is None
    with pytest.raises(LakeError, match="gold/there cannot be read"):
        getattr(store, method)("gold/there")


def test_a_cloud_identity_needs_no_key(
    s3_endpoint: str, s3_lake: LakeSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A pod with a token of its service account and a role, as on EKS, reads and writes."""
    token = tmp_path / "token"
    token.write_text("issued-by-the-cluster")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/train")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", s3_endpoint)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # it has the keys of earlier tests
    lake = open_lake(s3_lake)
    lake.write("gold/a", b"rows")
    assert lake.read("gold/a") == b"rows"


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
