"""What the data check, the splits and the model card say about persons and terms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.column_file.roles import Group, Key, Roles, Time
from pipeline.data_check import roles as data_check_roles
from pipeline.data_check.check import check_data
from pipeline.data_check.report import DataCheck
from pipeline.data_check.roles import RoleChecks, RoleCounter
from pipeline.data_check.summary import list_measurements
from pipeline.errors import DataError
from pipeline.evaluation.model_card.provenance import describe_split, tabulate_splits
from pipeline.settings import Settings
from pipeline.splits.sketch import Sketch
from pipeline.stages.features import check_units
from pipeline.storage.artifacts.data import SplitFacts
from tests.support.rows import ROWS

ROLES = Roles(key=Key("person", "Card"), time=Time("term", "Term"))
LABELS = (np.arange(len(ROWS)) % 5 == 0).astype(np.int64)
SPLITS = {
    name: SplitFacts(sha256="a" * 64, rows=rows, positives=4, terms=terms, persons=rows // 2)
    for name, rows, terms in (
        ("train", 120, ["2024-1", "2024-2"]),
        ("validation", 40, ["2024-1", "2024-2"]),
        ("test", 60, ["2024-10", "2024-10"]),
    )
}


def count(frame: pd.DataFrame, roles: Roles, block_rows: int = 1000) -> RoleChecks:
    counter = RoleCounter(roles)
    for start in range(0, len(frame), block_rows):
        counter.add(frame.iloc[start : start + block_rows])
    return counter.take()


def check(rows_of_a_person: int) -> DataCheck:
    """The data check of rows whose persons have as many rows each, of three terms."""
    numbers = np.arange(len(ROWS))
    frame = pd.DataFrame(
        {
            "person": [f"p{number // rows_of_a_person}" for number in numbers],
            "term": [("2024-10", "2024-1", "2024-2")[number % 3] for number in numbers],
        }
    )
    return check_data(ROWS, LABELS, Settings(), "0" * 64, count(frame, ROLES))


def test_persons_and_terms_are_measured() -> None:
    """A few rows of each person are no finding."""
    found = check(2)
    measured = dict(list_measurements(found))
    assert measured["different values of `person`"] == "200; 2.0 rows each on average, at most 2"
    assert measured["different values of `term`"] == (
        "3, from 2024-1 to 2024-10; 134 rows in the newest"
    )
    assert "persons" not in {finding.check for finding in found.findings}


def test_blocks_of_rows_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's rows may be in several blocks, whether these are merged early or at the end."""
    frame = pd.DataFrame({"person": list("abcabda"), "term": ["2024-1"] * 6 + ["2024-2"]})
    whole = count(frame, ROLES)
    assert whole.persons is not None
    assert (whole.persons.persons, whole.persons.most) == (4, 3)
    assert whole.persons.typical == pytest.approx((9 + 4 + 1 + 1) / 7)
    for merge_at in (0, 100):
        monkeypatch.setattr(data_check_roles, "MERGE_PERSONS", merge_at)
        assert count(frame, ROLES, block_rows=2) == whole


def test_many_rows_of_a_person_are_a_finding() -> None:
    """It says how many persons there are, and what that means."""
    (finding,) = [finding for finding in check(10).findings if finding.check == "persons"]
    assert (finding.value, finding.bound) == (10, 5)
    assert finding.sentence.startswith(
        "400 rows have only 40 different values of `person`, up to 10 rows each. Rows with the same"
    )


def test_a_table_without_roles_has_none_of_it() -> None:
    """Its report is the same as before there were roles."""
    assert count(pd.DataFrame({"age": [1]}), Roles()) == RoleChecks(None, None, 1)
    document = check_data(ROWS, LABELS, Settings(), "0" * 64).model_dump()
    assert not {"persons", "terms"} & set(document)
    plain = SplitFacts(sha256="a" * 64, rows=1, positives=1)
    assert set(plain.model_dump()) == {"sha256", "rows", "positives"}
    assert list(describe_split(dict.fromkeys(SPLITS, plain), 0, Roles())) == [
        "The splits are stratified by the label."
    ]
    assert tabulate_splits({"test": plain}, Roles()).header[-2:] == ("fail", "SHA-256")


def test_a_person_in_two_splits_is_an_error() -> None:
    """However the rows were split."""

    def describe(persons: list[int], tutors: list[int]) -> dict[str, Sketch]:
        values = {"person": persons, "tutor": tutors}
        return {name: Sketch.of(np.array(one, np.uint64), 10) for name, one in values.items()}

    train = describe([1, 2, 2], [7])
    check_units({"train": train, "test": describe([3, 4], [8])})
    with pytest.raises(DataError, match="1 of 2 values of 'person' in the split test are in the"):
        check_units({"train": train, "test": describe([3, 1], [8])})


def test_the_card_says_how_the_rows_were_split() -> None:
    """By person, with the newest term as test rows; each split has its persons and terms."""
    assert list(describe_split(SPLITS, 1_234, ROLES)) == [
        "The test split has the rows with the newest `term`: 2024-10.",
        "No `person` is in two splits, and the intervals of the test rows count these instead of "
        "rows.",
        "1,234 older rows are in no split, because newer rows of the same `person` are tested.",
    ]
    table = tabulate_splits(SPLITS, ROLES)
    assert table.header == ("split", "rows", "fail", "different `person`", "`term`", "SHA-256")
    assert table.rows[0][:5] == ("train", "120", "4", "60", "2024-1 to 2024-2")
    assert table.rows[2][3:5] == ("30", "2024-10")
    assert table.numeric == (1, 2, 3)


def test_the_card_names_groups_that_are_split() -> None:
    """They stay together like persons."""
    roles = Roles(key=ROLES.key, groups=(Group("tutor", "Tutor", split=True),))
    assert list(describe_split(SPLITS, 0, roles))[1].startswith("No `person` or `tutor` is in two")
