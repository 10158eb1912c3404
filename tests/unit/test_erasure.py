"""Rows of a person are removed from the bytes of objects, and hashes stay verifiable."""

from __future__ import annotations

import gzip
import io
import itertools
import json
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.columns import FEATURE_NAMES
from pipeline.data.live_traffic import HourFile, encode_hour, parse_log
from pipeline.data.pseudonyms import Pseudonyms
from pipeline.erasure.person import Person, find_person
from pipeline.erasure.rows import filter_csv, filter_live, filter_table, get_features
from pipeline.erasure.search import search
from pipeline.erasure.tombstones import ObjectTombstone, verify_tombstones, write_object
from pipeline.errors import LakeError, SettingsError
from pipeline.settings.connections import LakeSettings
from pipeline.storage import layout
from pipeline.storage.lake import Lake, open_lake, sha256_hex
from pipeline.storage.layout import bucket_name
from pipeline.storage.s3 import s3_client

PSEUDONYMS = Pseudonyms("the secret of the release")
PERSON = Person("ann", PSEUDONYMS.make("ann"), PSEUDONYMS.make_erased_id("ann"), "Card", "person")
ROW = {name: float(number) for number, name in enumerate(FEATURE_NAMES)}


def test_rows_of_a_csv_file() -> None:
    """Other rows stay as they are, those with too few values and quoted line breaks included."""
    data = b'\xef\xbb\xbfCard,Note\nann,x\nben,"a\nb"\nshort\nann,y\n'
    filtered = filter_csv(data, "Card", lambda key: key == "ann")
    assert filtered.data == b'Card,Note\nben,"a\nb"\nshort\n'
    assert (filtered.removed, filtered.kept) == (2, 2)
    assert filtered.rows == [{"Card": "ann", "Note": "x"}, {"Card": "ann", "Note": "y"}]
    for other in (b"", b"Name\nann\n", b"\xff\xfe"):
        assert filter_csv(other, "Card", lambda key: key == "ann").data == other


def test_rows_of_a_table() -> None:
    """The other rows keep their order and types."""
    frame = pd.DataFrame({"person": ["a", "b", "a"], "visits": [1, 2, 3]})
    file = io.BytesIO()
    frame.to_parquet(file)
    filtered = filter_table(file.getvalue(), "person", "a")
    assert filtered.removed == 2
    assert pq.read_table(io.BytesIO(filtered.data)).to_pydict() == {"person": ["b"], "visits": [2]}
    assert filter_table(file.getvalue(), "tutor", "a").data == file.getvalue()


@pytest.mark.parametrize("compacted", [False, True])
def test_rows_of_live_traffic(compacted: bool) -> None:
    """Rows with the same features go, blanks included; a file of an hour can still be read."""
    at = {"at": "2026-01-01T00:00:00+00:00", "version": "1"}
    rows: list[dict[str, Any]] = [
        ROW,
        ROW | {FEATURE_NAMES[0]: 7.5},
        ROW | {FEATURE_NAMES[1]: None},
    ]
    data = gzip.compress("\n".join(json.dumps(at | row) for row in rows).encode())
    if compacted:
        data = encode_hour({"object": parse_log(data)})
    filtered = filter_live(data, {get_features(ROW), get_features(rows[2])})
    assert (filtered.removed, filtered.kept) == (2, 1)
    if compacted:
        file = HourFile(filtered.data)
        assert file.objects == ["object"]
        left = file.read_group(0)
    else:
        left = parse_log(filtered.data)
    assert left[FEATURE_NAMES[0]].to_pylist() == [7.5]


def test_a_tombstone_stands_for_a_hash(lake: Lake) -> None:
    """The lake accepts an object from which rows were erased, twice if need be, and no other."""
    key = layout.gold_split("run", "train")
    hashes = [sha256_hex(data) for data in (b"one", b"two", b"three")]
    for before, after in itertools.pairwise(hashes):
        stone = ObjectTombstone(erased_at="2026-01-01", key=key, before=before, after=after)
        write_object(lake, PSEUDONYMS, stone)
    lake.write(key, b"three")
    assert lake.read(key, hashes[0]) == b"three"
    with lake.open(key, hashes[1]) as file:
        assert file.read() == b"three"
    lake.write(key, b"another")
    with pytest.raises(LakeError, match="was recorded"):
        lake.read(key, hashes[0])
    assert verify_tombstones(lake, PSEUDONYMS) == 2
    with pytest.raises(LakeError, match="was changed"):
        verify_tombstones(lake, Pseudonyms("another secret of somebody"))


def test_older_versions_are_found(s3_lake: LakeSettings) -> None:
    """Replaced and deleted versions count as well as what readers get."""
    client: Any = s3_client(s3_lake)
    client.put_bucket_versioning(
        Bucket=bucket_name("bronze", s3_lake.bucket_prefix),
        VersioningConfiguration={"Status": "Enabled"},
    )
    lake = open_lake(s3_lake)
    data = f"Card,Visits\n{PERSON.pseudonym},1\n".encode()
    replaced, deleted = (layout.bronze_file(digit * 64) for digit in "ab")
    lake.write(replaced, data)
    lake.write(replaced, b"Card,Visits\nother,1\n")
    lake.write(deleted, data)
    lake.delete(deleted)
    found = search(lake, PERSON).held
    assert [(held.version.key, held.version.is_current) for held in found] == [
        (replaced, False),
        (deleted, False),
    ]


def test_without_a_key_persons_cannot_be_found() -> None:
    """The survey has no key; the error says how to erase rows nevertheless."""
    with pytest.raises(SettingsError, match=r"has no `key`.*Upload a file without their rows"):
        find_person("ann", PSEUDONYMS)


def test_the_tombstone_does_not_name_the_person() -> None:
    """Its identifier is not the pseudonym, and depends on the secret."""
    assert PERSON.erased_id != PERSON.pseudonym
    assert PERSON.erased_id != Pseudonyms("another secret of somebody").make_erased_id("ann")
    assert PSEUDONYMS.make_erased_id(" ann ") == PERSON.erased_id
