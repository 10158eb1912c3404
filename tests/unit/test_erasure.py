"""Rows of a person are removed from the bytes of objects, and hashes stay verifiable."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.columns import FEATURE_NAMES
from pipeline.commands import history
from pipeline.context import Context
from pipeline.data.live_traffic import HourFile, encode_hour, parse_log
from pipeline.data.pseudonyms import SECRET_FILE, Pseudonyms
from pipeline.data.source_changes import record_changes
from pipeline.erasure.erase import _clean_source_changes
from pipeline.erasure.person import Person, find_person
from pipeline.erasure.rows import filter_csv, filter_live, filter_table, get_features
from pipeline.erasure.search import Findings, Held, search
from pipeline.erasure.tombstones import read_tombstones, write_object
from pipeline.errors import LakeError, SettingsError
from pipeline.settings.connections import LakeSettings
from pipeline.storage import layout
from pipeline.storage.access import SERVICES
from pipeline.storage.artifacts.data import SourceChanges
from pipeline.storage.lake import Lake, open_lake, sha256_hex
from pipeline.storage.layout import bucket_name
from pipeline.storage.s3 import s3_client
from pipeline.storage.tombstones import ObjectTombstone, Sign, sign_tombstone
from pipeline.storage.versions import StoredVersion
from tests.support.lake_access import guard

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


KEY = layout.gold_split("run", "train")
HASHES = [sha256_hex(data) for data in (b"one", b"two", b"three")]


def erase_twice(lake: Lake) -> list[str]:
    """Erase rows of an object twice; return the keys of its tombstones."""
    for before, after in itertools.pairwise(HASHES):
        stone = ObjectTombstone(erased_at="2026-01-01", key=KEY, before=before, after=after)
        write_object(lake, PSEUDONYMS, stone)
    lake.write(KEY, b"three")
    return [layout.erased_hash(*pair, KEY) for pair in itertools.pairwise(HASHES)]


def open_with(lake: Lake, sign: Sign | None) -> Lake:
    """The same lake, opened by a process that can make these signatures."""
    return Lake(lake._store, lambda: sign)


SIGNERS = pytest.mark.parametrize("sign", [PSEUDONYMS.sign, None], ids=["secret", "no secret"])


@SIGNERS
def test_a_tombstone_stands_for_a_hash(lake: Lake, sign: Sign | None) -> None:
    """The lake accepts an object from which rows were erased, twice if need be, and no other."""
    erase_twice(lake)
    lake = open_with(lake, sign)
    assert lake.read(KEY, HASHES[0]) == b"three"
    with lake.open(KEY, HASHES[1]) as file:
        assert file.read() == b"three"
    copy = layout.gold_split("another", "train")
    lake.write(copy, b"three")
    lake.write(KEY, b"another")
    for key in (copy, KEY):
        with pytest.raises(LakeError, match="was recorded"):
            lake.read(key, HASHES[0])


@SIGNERS
@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda _: b"{}",
        lambda text: text.replace(b"2026-01-01", b"someday"),
        lambda text: re.sub(b'"signature": "[^"]*"', b'"signature": ""', text),
        lambda text: text.replace(HASHES[0].encode(), HASHES[2].encode()),
        lambda text: text.replace(KEY.encode(), b"gold/another/train.parquet"),
        lambda text: text.replace(b"{", b'{"note": 1,', 1),
    ],
    ids=["empty", "no fields", "no date", "no signature", "other hash", "other key", "more fields"],
)
def test_a_broken_tombstone_is_refused(
    lake: Lake, change: Callable[[bytes], bytes], sign: Sign | None
) -> None:
    """Its place is not enough: an object whose hash differs is refused, and so is the tombstone."""
    place, _ = erase_twice(lake)
    lake.write(place, change(lake.read(place)))
    with pytest.raises(LakeError, match="is not a valid tombstone of erased rows"):
        open_with(lake, sign).read(KEY, HASHES[0])
    with pytest.raises(LakeError, match="is not a valid tombstone of erased rows"):
        read_tombstones(lake, sign)


def test_a_forged_tombstone_is_refused(lake: Lake) -> None:
    """Without the secret nobody can sign one, or another date; with it, that is found."""
    erase_twice(lake)
    forger = Pseudonyms("another secret of somebody")
    stone = ObjectTombstone(erased_at="2026-01-01", key=KEY, before=HASHES[2], after=HASHES[0])
    write_object(lake, forger, stone)
    lake.write(KEY, b"one")
    with pytest.raises(LakeError, match="signed with another"):
        open_with(lake, PSEUDONYMS.sign).read(KEY, HASHES[2])
    with pytest.raises(LakeError, match="signed with another"):
        read_tombstones(lake, PSEUDONYMS.sign)
    place = layout.erased_hash(HASHES[2], HASHES[0], KEY)
    lake.delete(place)
    genuine = layout.erased_hash(HASHES[0], HASHES[1], KEY)
    lake.write(genuine, lake.read(genuine).replace(b"2026-01-01", b"2025-01-01"))
    with pytest.raises(LakeError, match="it was changed"):
        read_tombstones(lake, PSEUDONYMS.sign)


@SIGNERS
def test_a_tombstone_of_an_earlier_release(lake: Lake, sign: Sign | None) -> None:
    """It is that of every object with these hashes, because only the first one was named."""
    place = layout.erased_hash_of_any_object(HASHES[0], HASHES[1])
    stone = ObjectTombstone(erased_at="2026-01-01", key=KEY, before=HASHES[0], after=HASHES[1])
    lake.write(place, sign_tombstone(PSEUDONYMS.sign, place, stone).to_bytes())
    copy = layout.gold_split("another", "train")
    lake.write(copy, b"two")
    assert open_with(lake, sign).read(copy, HASHES[0]) == b"two"
    assert read_tombstones(lake, sign) == [sign_tombstone(PSEUDONYMS.sign, place, stone)]


def test_lineage_names_the_day_of_an_erasure(
    make_context: Callable[..., Context], capsys: pytest.CaptureFixture[str]
) -> None:
    """`history --verify` names each object and day, but none if it cannot check signatures."""
    context = make_context()
    folder = context.settings.lake.folder
    assert folder is not None
    (folder.parent / SECRET_FILE).write_text("the secret of the release")
    erase_twice(context.lake)
    guard("commands", SERVICES["commands"].access, history._verify_erasures)(context)
    assert capsys.readouterr().out.splitlines() == [
        f"history: {KEY}: rows erased on 2026-01-01",
        "history: 2 tombstones of erased rows, signed",
    ]
    (folder.parent / SECRET_FILE).unlink()
    with pytest.raises(SettingsError, match=r"2 tombstones .* cannot be checked .*erasure\.json"):
        history._verify_erasures(context)
    assert capsys.readouterr().out == ""
    assert not (folder.parent / SECRET_FILE).exists()


def test_values_that_are_no_longer_new_are_removed(lake: Lake) -> None:
    """A value of the person goes, also if the columns file has had it since the raw file."""
    course, answer = "Course (STEM=1, Non-STEM=0)", "In a Relationship"
    new_values = {course: {"1": 2, "7": 1, "12": 1}, answer: {"often": 1}}
    record_changes(lake, "run", new_values=new_values)
    version = StoredVersion(layout.bronze_file("a" * 64), "1", 1, datetime.now(UTC))
    rows: list[dict[str, object]] = [{course: " 1.0", answer: "often "}, {course: 7.0}]
    _clean_source_changes(lake, Findings([Held(version, rows)]))
    changes = lake.read_model("reports/source_changes.json", SourceChanges)
    assert changes.new_values == {course: {"12": 1}}


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
