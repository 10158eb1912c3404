"""Persons, terms and groups: their columns, and the rows that stay together in splits and folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from pipeline.column_file.checks import SPLIT_UNIT
from pipeline.column_file.reader import parse_columns
from pipeline.column_file.roles import Group, Key, Roles, Time
from pipeline.columns import BUNDLED, FEATURE_NAMES, LABEL
from pipeline.errors import ColumnsError, DataError
from pipeline.evaluation import datasets
from pipeline.evaluation.groups import MAX_REPORTED_GROUPS, find_reported_groups
from pipeline.model.arrays import feature_array
from pipeline.model.calibration import fit_calibrated
from pipeline.model.candidates import CANDIDATES
from pipeline.model.intervals import roc_auc
from pipeline.model.selection import Selection
from pipeline.model.training_data import TrainingData, check_class_counts, concatenate
from pipeline.model.units import assign_units, draw_subsets, find_units, split_into_folds
from pipeline.settings.data import FeaturesSettings
from pipeline.types import IntArray
from tests.support.rows import make_students
from tests.support.splits import split_rows

ROLES = """
key: {name: person, raw: Card number}
time: {name: term, raw: Term, order: [spring, autumn]}
groups:
  - {name: tutor, raw: Tutor, split: true}
ignore: [Comment]
"""
TERM = Time("term", "Term")
ROWS_PER_PERSON = 4


def test_roles_of_a_columns_file() -> None:
    """Each role has its columns; those that keep rows together are known."""
    columns = parse_columns(BUNDLED.read_text() + ROLES, "x.yaml")
    assert columns.roles == Roles(
        Key("person", "Card number"),
        Time("term", "Term", ("spring", "autumn")),
        (Group("tutor", "Tutor", split=True),),
    )
    assert columns.ignore == ("Comment",)
    assert [role.name for role in columns.roles.columns] == ["person", "term", "tutor"]
    assert columns.roles.unit_names == ["person", "tutor"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("raw: Card number}", "raw: Age}", "key.raw: `Age` occurs twice"),
        ("name: person", "name: age", "key.name: `age` occurs twice"),
        ("name: tutor", f"name: {SPLIT_UNIT}", f"`{SPLIT_UNIT}` is the name of a column that the"),
        ("[Comment]", "[Tutor]", "ignore[0]: `Tutor` occurs twice"),
        ("order: [spring, autumn]", "order: [spring]", "`spring` is the only term; at least two"),
        ("order: [spring, autumn]", "order: [a, b, a]", "time.order[2]: `a` occurs twice"),
        (
            "split: true",
            "spilt: true",
            "groups[0].spilt: is not a field here; did you mean",
        ),
        ("raw: Term", "row: Term", "time.row: is not a field here; did you mean `raw`?"),
        ("name: person, ", "", "key.name: is missing"),
    ],
)
def test_an_error_in_a_role_has_its_field(old: str, new: str, message: str) -> None:
    """Roles are checked like features: line, field and what is wrong."""
    text = BUNDLED.read_text() + ROLES
    assert old in text
    with pytest.raises(ColumnsError) as raised:
        parse_columns(text.replace(old, new), "x.yaml")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "terms",
    [
        ("2", "10", "11.5"),
        ("2023", "2024", "2025"),
        ("2024-2", "2024-10", "2025-1"),
        ("2024/25", "2025/26"),
        ("2024S1", "2024S2", "2025 Q1"),
        ("2024-09-01", "2024-09-02T08:00", "2025-01-01"),
    ],
)
def test_terms_in_their_order(terms: Sequence[str]) -> None:
    """Numbers, terms and dates are ordered by their meaning, not as text."""
    places = [TERM.parse(term) for term in terms]
    assert None not in places
    assert sorted(places, key=lambda place: place or ()) == places


@pytest.mark.parametrize("term", ["spring", "", "1.9.2025", "2025-13-01", "nan", "inf"])
def test_a_term_without_a_place(term: str) -> None:
    """Text that is no term, and a date that is none, have no place among the others."""
    assert TERM.parse(term) is None


def test_declared_terms() -> None:
    """With `order`, only the declared terms have a place: that in the list."""
    time = Time("term", "Term", ("spring", "autumn"))
    assert (time.parse("spring"), time.parse(" autumn "), time.parse("2025")) == ((0,), (1,), None)


def test_units_are_connected() -> None:
    """Rows are connected by equal values in any column, also over other rows, not by blanks."""
    frame = pd.DataFrame(
        {"person": ["a", "a", "b", "c", "d"], "tutor": ["x", "y", "y", None, None]}
    )
    assert find_units(frame, ["person"]).tolist() == [0, 0, 1, 2, 3]
    first, second, third, fourth, fifth = find_units(frame, ["person", "tutor"]).tolist()
    assert first == second == third
    assert len({first, fourth, fifth}) == 3


def make_units(units: int, rows_per_unit: int, rate: float, seed: int = 0) -> tuple[Any, Any]:
    """Labels and unit numbers of rows; all rows of a unit have its label."""
    labels = (np.random.default_rng(seed).random(units) < rate).astype(np.int64)
    return np.repeat(labels, rows_per_unit), np.repeat(np.arange(units), rows_per_unit)


def test_units_are_assigned_whole_and_stratified() -> None:
    """Each unit is in one part, and each class has the parts' fractions, to a unit."""
    labels, units = make_units(500, 3, 0.1)
    fractions = (0.6, 0.15, 0.25)
    parts = assign_units(labels, units, fractions, seed=1)
    for unit in np.unique(units):
        assert np.unique(parts[units == unit]).size == 1
    for value in (0, 1):
        found = np.bincount(parts[labels == value], minlength=3)
        expected = np.array(fractions) * (labels == value).sum()
        assert np.abs(found - expected).max() <= 2 * 3
    assert (assign_units(labels, units, fractions, seed=1) == parts).all()
    assert (assign_units(labels, units, fractions, seed=2) != parts).any()


def test_each_part_gets_a_row_of_a_class() -> None:
    """Also if one unit has most of its rows."""
    labels = np.array([1] * 50 + [0] * 200 + [1] * 4 + [0] * 40)
    units = np.array([0] * 250 + list(range(1, 5)) + list(range(5, 45)))
    parts = assign_units(labels, units, [0.2] * 5, seed=0)
    assert set(parts[labels == 1].tolist()) == set(range(5))


def make_persons(persons: int, seed: int) -> pd.DataFrame:
    """Rows of persons whose features and label are random, and the same in each of their rows."""
    random = np.random.default_rng(seed)
    rows = make_students(persons, seed)
    rows[LABEL.name] = (random.random(persons) < 0.4).astype(int)
    rows["person"] = [f"person {number}" for number in range(persons)]
    rows = rows.loc[rows.index.repeat(ROWS_PER_PERSON)].reset_index(drop=True)
    return rows.assign(term=[f"2024-{number % ROWS_PER_PERSON + 1}" for number in rows.index])


def measure_test_auc(splits: dict[str, pd.DataFrame]) -> float:
    """ROC AUC on the test split of a tree that learns the train split by heart."""
    train, test = splits["train"], splits["test"]
    tree = DecisionTreeClassifier(random_state=0).fit(feature_array(train), train[LABEL.name])
    return roc_auc(test[LABEL.name].to_numpy(), tree.predict_proba(feature_array(test))[:, 1])


def test_a_leak_over_persons_is_closed_by_the_key() -> None:
    """The features say nothing, but the other rows of a person tell the label."""
    rows = make_persons(150, seed=1)
    leaking = split_rows(rows, FeaturesSettings(), seed=1)
    assert measure_test_auc(leaking) > 0.95
    rows[SPLIT_UNIT] = find_units(rows, ["person"])
    splits = split_rows(rows, FeaturesSettings(), seed=1)
    assert measure_test_auc(splits) == pytest.approx(0.5, abs=0.15)
    persons = [set(frame["person"]) for frame in splits.values()]
    assert len(set.union(*persons)) == sum(map(len, persons)) == 150


def test_a_leak_over_time_is_closed_by_the_term() -> None:
    """Rows of the same term and age share their label, which says nothing about the next term."""
    rows = make_students(1_200, seed=1).assign(sleep_hours=5.0, review_hours=5.0, relationship=0.0)
    rows["course"] = 1.0
    random = np.random.default_rng(2)
    terms = [f"202{number % 6}-1" for number in range(len(rows))]
    outcome = {
        (term, age): random.random() < 0.4 for term in sorted(set(terms)) for age in range(24, 55)
    }
    rows["term"] = terms
    rows["sleep_hours"] = rows["term"].str[3].astype(float)  # a feature that changes with the term
    pairs = zip(rows["term"], rows["age"], strict=True)
    rows[LABEL.name] = [int(outcome[pair]) for pair in pairs]
    assert measure_test_auc(split_rows(rows, FeaturesSettings(), seed=1)) > 0.95
    splits = split_rows(rows, FeaturesSettings(), seed=1, time=TERM)
    assert measure_test_auc(splits) == pytest.approx(0.5, abs=0.15)
    assert {name: set(frame["term"]) for name, frame in splits.items()} == {
        "train": {"2020-1", "2021-1", "2022-1", "2023-1"},
        "validation": {"2024-1"},
        "test": {"2025-1"},
    }


def test_older_rows_of_a_tested_person_are_left_out() -> None:
    """The newest term is tested whole; no other split has a row of its persons."""
    rows = make_persons(200, seed=3)
    rows = rows[(rows["term"] != "2024-4") | (rows.index < 400)].reset_index(drop=True)
    rows[SPLIT_UNIT] = find_units(rows, ["person"])
    splits = split_rows(rows, FeaturesSettings(), seed=1, time=TERM)
    assert set(splits["test"]["term"]) == {"2024-4"}
    assert len(splits["test"]) == (rows["term"] == "2024-4").sum() == 100
    tested = set(splits["test"]["person"])
    others = pd.concat([splits["train"], splits["validation"]])
    assert tested.isdisjoint(others["person"])
    assert len(others) == (~rows["person"].isin(tested)).sum() == 300
    assert set(splits["train"]["person"]).isdisjoint(splits["validation"]["person"])


def test_with_days_the_newest_days_are_tested() -> None:
    """As many whole days as have the fraction of the rows, whatever the order of the file."""
    rows = make_students(200, seed=1).assign(**{LABEL.name: [0, 1] * 100})
    rows["day"] = [f"2025-09-{number % 20 + 1:02}T{number % 24:02}:00" for number in range(200)]
    splits = split_rows(rows, FeaturesSettings(), seed=1, time=Time("day", "Day"))
    days = {name: sorted(frame["day"].str[:10].unique()) for name, frame in splits.items()}
    assert days["test"] == [f"2025-09-{day:02}" for day in range(16, 21)]
    assert days["validation"] == [f"2025-09-{day:02}" for day in range(13, 16)]
    assert days["train"][-1] == "2025-09-12"


def test_a_single_term_is_refused() -> None:
    """The message has the term, the column, and what to do."""
    rows = make_persons(20, seed=1).assign(term="2025-1")
    message = r"all 80 rows are of the term '2025-1' \('Term'\).*add the rows of other terms, or"
    with pytest.raises(DataError, match=message):
        split_rows(rows, FeaturesSettings(), seed=1, time=TERM)


def test_a_term_without_outcomes_is_refused() -> None:
    """The message says that the test split is the newest term."""
    rows = make_persons(40, seed=1)
    rows.loc[rows["term"] == "2024-4", LABEL.name] = 0
    with pytest.raises(DataError, match=r"test would have 0 rows of one class.*newest term"):
        split_rows(rows, FeaturesSettings(), seed=1, time=TERM)


def make_training_data(persons: int = 40) -> TrainingData:
    rows = make_persons(persons, seed=5)
    rows[SPLIT_UNIT] = find_units(rows, ["person"])
    return TrainingData.from_frame(rows)


def is_together(units: IntArray | None, inside: IntArray) -> bool:
    """Whether no unit is both inside and outside of a part of the rows."""
    assert units is not None
    outside = np.setdiff1d(np.arange(units.size), inside)
    return set(units[inside].tolist()).isdisjoint(units[outside].tolist())


def test_folds_and_subsets_keep_units_together() -> None:
    """In every fold of every repetition, which hold each row out once, and in every subset."""
    data = make_training_data()
    folds = list(split_into_folds(data, folds=4, repeats=2, seed=1))
    assert len(folds) == 8
    for train, test in folds:
        assert is_together(data.units, test)
        assert sorted([*train, *test]) == list(range(160))
    for repeat in (folds[:4], folds[4:]):
        assert sorted(np.concatenate([test for _, test in repeat])) == list(range(160))
    assert folds[0][1].tolist() != folds[4][1].tolist()
    subsets = list(draw_subsets(data, 3, 0.5, seed=1))
    assert all(is_together(data.units, kept) and abs(kept.size - 80) <= 8 for kept in subsets)
    assert subsets[0].tolist() != subsets[1].tolist()


def test_the_calibration_keeps_units_together() -> None:
    """A forest that knows the other rows of a person would be far too sure of itself."""
    data = make_training_data(100)
    selection = Selection(CANDIDATES[-1], 0.0, {}, probability_threshold=0.5)
    forest = fit_calibrated(selection, data, folds=5, seed=1)
    leaking = fit_calibrated(selection, data._replace(units=None), folds=5, seed=1)
    spread = [np.ptp(model.predict(data.rows).probability) for model in (forest, leaking)]
    assert spread[0] < spread[1] / 2
    assert forest.model[-1].cv == 5


def test_training_data_keeps_its_units() -> None:
    """Indices and concatenation apply to rows, labels and units alike."""
    data = make_training_data()
    assert data.units is not None
    both = concatenate(data.take(np.array([0, 5])), data.take(np.array([159])))
    assert both.units is not None
    assert both.units.tolist() == data.units[[0, 5, 159]].tolist()


def test_classes_are_counted_in_units() -> None:
    """Seven rows of a class fill nested folds, but not if they are of three persons."""
    labels, units = np.array([1] * 7 + [0] * 50), np.array([0, 0, 0, 1, 1, 2, 2, *range(3, 53)])
    check_class_counts(labels, 5)
    message = "Only 3 of the 53 groups of rows that stay together have the label 'fail'"
    with pytest.raises(DataError, match=message):
        check_class_counts(labels, 5, units)


def test_known_rows_are_known_by_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key, a person's row of another term is known, and an equal row of another is not."""
    rows = make_persons(3, seed=1)[[*FEATURE_NAMES, LABEL.name, "person", "term"]]
    later = rows.assign(term="2025-1", age=rows["age"] + 1)
    stranger = rows.iloc[:1].assign(person="person 9")
    test = pd.concat([later, stranger], ignore_index=True)
    known = rows[rows["person"] != "person 2"]
    assert len(datasets.drop_rows(test, [known])) == len(later)
    monkeypatch.setattr(datasets, "ROLES", Roles(key=Key("person", "Card number")))
    unknown = datasets.drop_rows(test, [known])
    assert set(unknown["person"]) == {"person 2", "person 9"}
    older = known.drop(columns="person")  # gold of a columns file without a key
    assert len(datasets.drop_rows(test, [known, older])) == len(later)


def test_reported_groups() -> None:
    """The largest groups of a column, by name; a row with a blank belongs to none."""
    tutors = [f"T{number:02}" for number in range(60) for _ in range(2 if number else 1)]
    frame = pd.DataFrame({"tutor": [*tutors, None]})
    groups = find_reported_groups(frame, [Group("tutor", "Tutor"), Group("class", "Class")])
    assert len(groups) == MAX_REPORTED_GROUPS
    assert next(iter(groups)) == "tutor T01"
    assert groups["tutor T01"].sum() == 2
    assert not any(mask[-1] for mask in groups.values())
