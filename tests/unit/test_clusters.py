"""Intervals for several rows of each person, compared with what repeated samples show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.column_file.checks import SPLIT_UNIT
from pipeline.columns import LABEL
from pipeline.drift.columns import PREDICTION
from pipeline.evaluation.groups import GroupRows
from pipeline.evaluation.measurements import GateInputs
from pipeline.evaluation.predictions import SplitPredictions
from pipeline.evaluation.recalibration import calibration_error
from pipeline.model.clusters import compute_clustered_differences, compute_clustered_metrics
from pipeline.model.metrics import METRICS, Predictions
from pipeline.settings import Settings
from pipeline.storage.artifacts.base import Interval
from pipeline.types import FloatArray, IntArray
from tests.support.forest import make_bundle
from tests.support.rows import make_students

PERSONS, ROWS_PER_PERSON, SAMPLES = 120, 5, 200
UNITS = np.repeat(np.arange(PERSONS), ROWS_PER_PERSON)


def draw(random: np.random.Generator, rows: int) -> tuple[IntArray, FloatArray]:
    """Labels and probabilities of persons, each repeated as often."""
    labels = (random.random(PERSONS) < 0.3).astype(np.int64)
    probability = 1 / (1 + np.exp(-random.normal(1.2 * labels - 0.6, 1)))
    return np.repeat(labels, rows), np.repeat(probability, rows)


def get_width(interval: Interval) -> float:
    return interval.high - interval.low


def test_repeated_rows_prove_nothing() -> None:
    """Five identical rows of each person give the intervals of one, sqrt(5) times as wide."""
    random = np.random.default_rng(1)
    state = random.bit_generator.state
    labels, probability = draw(random, 1)
    once = compute_clustered_metrics(labels, Predictions(probability, 0.5), None)
    random.bit_generator.state = state
    labels, probability = draw(random, ROWS_PER_PERSON)
    predictions = Predictions(probability, 0.5)
    by_row, by_person = (
        compute_clustered_metrics(labels, predictions, units) for units in (None, UNITS)
    )
    for name in METRICS:
        assert by_person[name].value == by_row[name].value == pytest.approx(once[name].value)
        ratio = get_width(by_person[name]) / get_width(by_row[name])
        assert ratio == pytest.approx(5**0.5, rel=0.06)
        assert get_width(by_person[name]) == pytest.approx(get_width(once[name]), rel=0.06)


def test_the_intervals_contain_the_truth() -> None:
    """In 95 % of the samples if persons are counted, in far fewer if rows are."""
    random = np.random.default_rng(2)
    truth = {"recall": 0.7257, "specificity": 0.7257, "roc_auc": 0.8019}
    inside = {units is None: dict.fromkeys(truth, 0) for units in (None, UNITS)}
    for _ in range(SAMPLES):
        labels, probability = draw(random, ROWS_PER_PERSON)
        for units in (None, UNITS):
            metrics = compute_clustered_metrics(labels, Predictions(probability, 0.5), units)
            for name, value in truth.items():
                inside[units is None][name] += metrics[name].low <= value <= metrics[name].high
    for name in truth:
        assert inside[False][name] / SAMPLES > 0.91
        assert inside[True][name] / SAMPLES < 0.75


def test_differences_count_persons_too() -> None:
    """Also those of two models on the same rows."""
    random = np.random.default_rng(3)
    labels, first = draw(random, ROWS_PER_PERSON)
    second = np.repeat(random.random(PERSONS), ROWS_PER_PERSON)
    models = Predictions(first, 0.5), Predictions(second, 0.5)
    by_row, by_person = (
        compute_clustered_differences(labels, *models, units) for units in (None, UNITS)
    )
    for name in METRICS:
        assert by_person[name].value == by_row[name].value
        ratio = get_width(by_person[name]) / get_width(by_row[name])
        assert ratio == pytest.approx(5**0.5, rel=0.06)


def test_no_mistake_among_few_persons_proves_little() -> None:
    """Perfect answers have no variance, but no more rows than persons."""
    labels, _ = draw(np.random.default_rng(4), ROWS_PER_PERSON)
    perfect = Predictions(labels.astype(float), 0.5)
    once = compute_clustered_metrics(
        labels[::ROWS_PER_PERSON], Predictions(labels[::5].astype(float), 0.5), None
    )
    by_person = compute_clustered_metrics(labels, perfect, UNITS)
    for name in METRICS:
        assert get_width(by_person[name]) == pytest.approx(get_width(once[name]), rel=0.1)


def test_independent_rows_of_a_person_cost_nothing() -> None:
    """The interval is hardly wider than without persons, and never narrower."""
    random = np.random.default_rng(5)
    labels, probability = draw(random, ROWS_PER_PERSON)
    shuffled = random.permutation(UNITS)
    by_row = compute_clustered_metrics(labels, Predictions(probability, 0.5), None)
    by_person = compute_clustered_metrics(labels, Predictions(probability, 0.5), shuffled)
    for name in METRICS:
        assert 1 <= get_width(by_person[name]) / get_width(by_row[name]) < 1.25


def test_the_rates_of_groups_count_persons() -> None:
    """Five equal rows of each person say as much about a group as one."""
    labels, probability = draw(np.random.default_rng(6), ROWS_PER_PERSON)
    positive = (probability >= 0.5).astype(float)
    is_in_group = UNITS % 2 == 0

    def measure(rows: slice, units: IntArray | None) -> Interval | None:
        measured = GroupRows(
            {}, labels[rows], positive[rows], probability[rows], "test rows", units=units
        )
        return measured.measure_rate(is_in_group[rows])

    first = slice(None, None, ROWS_PER_PERSON)
    by_person, once = measure(slice(None), UNITS), measure(first, None)
    by_row = measure(slice(None), None)
    assert by_person and once and by_row
    assert (by_person.low, by_person.high) == pytest.approx((once.low, once.high))
    assert get_width(by_person) / get_width(by_row) == pytest.approx(5**0.5, rel=0.06)


def test_the_calibration_counts_persons() -> None:
    """Its region is that of one row of each person."""
    labels, probability = draw(np.random.default_rng(7), ROWS_PER_PERSON)
    first = slice(None, None, ROWS_PER_PERSON)
    by_person = calibration_error(labels, probability, UNITS)
    once = calibration_error(labels[first], probability[first])
    assert (by_person.value, by_person.high) == pytest.approx((once.value, once.high), rel=0.05)
    assert get_width(by_person) > 1.5 * get_width(calibration_error(labels, probability))


def test_gates_are_measured_by_person() -> None:
    """Gold has the number of each row's person, which is no feature."""
    frame = make_students(200, seed=1).drop(columns=PREDICTION)
    frame[LABEL.name] = (np.arange(200) % 3 == 0).astype(float)
    repeated = pd.concat([frame] * ROWS_PER_PERSON, ignore_index=True)
    numbered = repeated.assign(**{SPLIT_UNIT: list(range(200)) * ROWS_PER_PERSON})
    by_row, by_person = (
        GateInputs(Settings(), SplitPredictions(make_bundle(), rows)).metrics["roc_auc"]
        for rows in (repeated, numbered)
    )
    assert get_width(by_person) / get_width(by_row) == pytest.approx(5**0.5, rel=0.1)
