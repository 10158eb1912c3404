"""A file in the lake's inbox is deleted once its rows are in bronze without personal data."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.column_file.roles import Key, Roles
from pipeline.columns import SOURCE_HEADER
from pipeline.context import open_context
from pipeline.data import raw_csv
from pipeline.data.pseudonyms import Pseudonyms
from pipeline.data.synthetic import generate_csv
from pipeline.errors import DataError, LakeError, SourceError
from pipeline.settings import Settings
from pipeline.settings.connections import LakeSettings
from pipeline.settings.data import IngestSettings
from pipeline.stages import ingest
from pipeline.storage.artifacts.data import BronzePointer
from pipeline.storage.lake import Lake, open_lake
from pipeline.storage.s3 import s3_client

SECRET = "0123456789abcdef"
GOOD = generate_csv(20, seed=1)
NAME = "inbox/spring term.csv"
KEY = f"bronze/{NAME}"


def with_cards(data: bytes) -> bytes:
    """The file with a card number in each row."""
    header, *rows = data.decode().splitlines()
    lines = [f"Card,{header}", *(f"CARD-{number},{row}" for number, row in enumerate(rows))]
    return "\n".join(lines).encode() + b"\n"


CARDS = with_cards(GOOD)


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A columns file whose key is the column `Card`."""
    declare_key(monkeypatch, "Card")


def declare_key(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    header = tuple(dict.fromkeys([raw, *SOURCE_HEADER]))
    monkeypatch.setattr(raw_csv, "SOURCE_HEADER", header)
    monkeypatch.setattr(ingest, "ROLES", Roles(key=Key("person", raw)))


class Inbox:
    """The inbox of a lake on S3, in a bucket that keeps all versions."""

    def __init__(self, settings: LakeSettings) -> None:
        self.settings = settings
        self.lake: Lake = open_lake(settings)
        self.client: Any = s3_client(settings)
        self.bucket = f"{settings.bucket_prefix}-bronze"
        self.client.put_bucket_versioning(
            Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"}
        )

    def put(self, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=NAME, Body=data)

    def ingest(self, run_id: str, name: str = NAME) -> BronzePointer:
        settings = IngestSettings(source=f"s3://{self.bucket}/{name}", key_secret=SecretStr(SECRET))
        ingest.run(open_context(Settings(lake=self.settings, ingest=settings), run_id))
        return self.lake.read_model(f"bronze/runs/{run_id}.json", BronzePointer)

    def list_versions(self) -> list[Any]:
        """All versions in the inbox, and delete markers."""
        page = self.client.list_object_versions(Bucket=self.bucket, Prefix="inbox/")
        return [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]

    def read_everything(self) -> bytes:
        """The contents of all versions in the bucket."""
        page = self.client.list_object_versions(Bucket=self.bucket)
        versions = [(item["Key"], item["VersionId"]) for item in page.get("Versions", ())]
        return b"".join(
            self.client.get_object(Bucket=self.bucket, Key=key, VersionId=version)["Body"].read()
            for key, version in versions
        )


@pytest.fixture
def inbox(s3_lake: LakeSettings) -> Inbox:
    return Inbox(s3_lake)


def test_no_version_with_keys_is_left(inbox: Inbox, keyed: None) -> None:
    """After `ingest` the bucket has pseudonyms only, although it keeps all versions."""
    inbox.put(CARDS.replace(b"CARD-", b"OLD-"))
    inbox.put(CARDS)
    pointer = inbox.ingest("run-1")
    assert (pointer.rows, pointer.key) == (20, "Card")
    assert inbox.list_versions() == []
    contents = inbox.read_everything()
    assert Pseudonyms(SECRET).make("CARD-7").encode() in contents
    assert b"CARD-" not in contents
    assert b"OLD-" not in contents


def test_dropped_columns_are_personal_data_too(inbox: Inbox) -> None:
    """A file whose columns are not all stored is deleted, also without a key."""
    inbox.put(CARDS)
    assert inbox.ingest("run-1").dropped == ["Card"]
    assert inbox.list_versions() == []
    assert b"CARD-" not in inbox.read_everything()


def test_a_file_that_is_stored_unchanged_stays(inbox: Inbox) -> None:
    """Bronze has the same bytes, so deleting it would protect nobody."""
    inbox.put(GOOD)
    inbox.ingest("run-1")
    assert len(inbox.list_versions()) == 1


def test_other_sources_are_not_deleted(inbox: Inbox, keyed: None) -> None:
    """Only the inbox belongs to `ingest`."""
    inbox.client.put_object(Bucket=inbox.bucket, Key="elsewhere/a.csv", Body=CARDS)
    inbox.ingest("run-1", "elsewhere/a.csv")
    assert inbox.lake.read("bronze/elsewhere/a.csv") == CARDS


def test_a_later_run_reads_bronze(inbox: Inbox, keyed: None) -> None:
    """The source of scheduled runs stays the deleted file; a new file of that name replaces it."""
    inbox.put(CARDS)
    first = inbox.ingest("run-1")
    second = inbox.ingest("run-2")
    assert second == first
    inbox.put(with_cards(generate_csv(30, seed=2)))
    assert inbox.ingest("run-3").rows == 30
    assert inbox.ingest("run-4").rows == 30
    assert inbox.list_versions() == []


@pytest.mark.parametrize("method", ["write_model", "erase"])
def test_a_run_that_breaks_off(
    inbox: Inbox, keyed: None, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The file stays until its rows are safe; the second attempt ends as the first would have."""
    inbox.put(CARDS)

    def fail(*_: object) -> None:
        raise LakeError("the service is away")

    with monkeypatch.context() as patch:
        patch.setattr(Lake, method, fail)
        with pytest.raises(LakeError, match="is away"):
            inbox.ingest("run-1")
    assert inbox.lake.read(KEY) == CARDS
    assert inbox.ingest("run-1").rows == 20
    assert inbox.list_versions() == []


def test_a_refused_file_stays(inbox: Inbox, keyed: None) -> None:
    """Nothing of it is in bronze, so it is there to be repaired; other runs do not hide it."""
    inbox.put(CARDS)
    inbox.ingest("run-1")
    inbox.put(b"Card,Age\nCARD-1,31\n")
    with pytest.raises(DataError, match="lacks the column"):
        inbox.ingest("run-2")
    assert len(inbox.list_versions()) == 1


def test_a_file_that_never_was_there(inbox: Inbox, keyed: None) -> None:
    """It is an error, as with any other source."""
    with pytest.raises(SourceError, match=r"spring term\.csv cannot be read: .*NoSuchKey"):
        inbox.ingest("run-1")


def test_another_key_needs_the_file_again(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bronze may have the raw values of a column that is declared as the key later."""
    inbox.put(CARDS)
    inbox.ingest("run-1")
    declare_key(monkeypatch, "Age")
    with pytest.raises(DataError, match=r"the key 'Age', but there was no key .* upload it"):
        inbox.ingest("run-2")


def test_a_new_column_needs_the_file_again(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that was dropped is not in bronze."""
    inbox.put(CARDS)
    inbox.ingest("run-1")
    monkeypatch.setattr(raw_csv, "SOURCE_HEADER", ("Card", *SOURCE_HEADER))
    with pytest.raises(DataError, match=r"lacks the column 'Card'.* upload it again"):
        inbox.ingest("run-2")


def test_a_bucket_without_versions(s3_lake: LakeSettings, keyed: None) -> None:
    """An external object store may keep one version only."""
    inbox = Inbox(s3_lake)
    inbox.client.put_bucket_versioning(
        Bucket=inbox.bucket, VersioningConfiguration={"Status": "Suspended"}
    )
    inbox.put(CARDS)
    inbox.ingest("run-1")
    assert inbox.list_versions() == []


def test_the_inbox_of_a_lake_on_disk(
    tmp_path: Any, keyed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works as on S3; the source is a path."""
    lake = LakeSettings(url=f"file://{tmp_path}/lake")
    path = tmp_path / "lake" / KEY
    path.parent.mkdir(parents=True)
    path.write_bytes(CARDS)
    for run_id in ("run-1", "run-2"):
        settings = IngestSettings(source=str(path), key_secret=SecretStr(SECRET))
        ingest.run(open_context(Settings(lake=lake, ingest=settings), run_id))
        assert not path.exists()
