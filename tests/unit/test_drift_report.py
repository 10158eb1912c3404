"""The drift report: scores, verdict, page and metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.context import Context, open_context
from pipeline.drift import report as drift_report
from pipeline.drift.columns import PREDICTION, compared_columns, feature_columns
from pipeline.drift.comparison import compare_columns
from pipeline.drift.data import Dataset
from pipeline.drift.outcome import compare_datasets
from pipeline.drift.report import Report
from pipeline.errors import DataError, SettingsError
from pipeline.settings import Settings
from pipeline.settings.drift import DriftSettings
from pipeline.stages import drift
from pipeline.storage.artifacts.drift import DatasetFacts
from pipeline.storage.layout import DRIFT_PAGE
from tests.support.accessibility import find_violations
from tests.support.rows import make_students

MakeContext = Callable[..., Context]


def dataset(frame: pd.DataFrame) -> Dataset:
    return Dataset(frame, DatasetFacts(source="a test", rows=len(frame)))


def report_on(
    make_context: MakeContext, reference: pd.DataFrame, current: pd.DataFrame, **settings: object
) -> Report:
    context = make_context(drift=settings)
    return compare_datasets(context, dataset(reference), dataset(current)).report


class TestVerdict:
    """The data set drifts if a feature, the predictions or the joint distribution do."""

    @pytest.mark.usefixtures("without_evidently")
    @pytest.mark.parametrize("rows", [600, 2_000])
    def test_none(self, make_context: MakeContext, rows: int) -> None:
        """Rows of one population do not drift, and all methods are tests."""
        report = report_on(make_context, make_students(rows, 1), make_students(rows, 2))
        assert report.verdict == "none"
        assert {column.statistic for column in report.features.values()} == {"p-value"}
        assert report.retraining is None

    @pytest.mark.parametrize("rows", [600, 2_000])
    def test_drift(self, make_context: MakeContext, rows: int) -> None:
        """Only a shifted number drifts; the sentence names it."""
        report = report_on(
            make_context, make_students(rows, 1), make_students(rows, 2, review_hours=0.6)
        )
        assert report.verdict == "drift"
        assert [name for name, column in report.features.items() if column.drifted] == [
            "review_hours"
        ]
        assert report.sentence == (
            "Drift: 1 of 5 features drifted (review_hours); the joint distribution of the features "
            "drifted."
        )
        column = report.features["review_hours"]
        assert column.adjusted is not None
        assert column.score < column.adjusted < column.threshold
        assert column.effect > column.min_effect

    @pytest.mark.usefixtures("without_evidently")
    @pytest.mark.parametrize(("method", "lenient"), [("ks", 1e-30), ("wasserstein", 5.0)])
    def test_own_threshold(self, make_context: MakeContext, method: str, lenient: float) -> None:
        """A feature's own threshold decides: a p-value below it, a distance from it upwards."""
        sides = make_students(600, 1), make_students(600, 2, review_hours=0.4)
        for thresholds, verdict in (({}, "drift"), ({"review_hours": lenient}, "none")):
            report = report_on(make_context, *sides, numeric_method=method, thresholds=thresholds)
            assert report.verdict == verdict

    def test_threshold_of_no_column(self, make_context: MakeContext) -> None:
        """A threshold for a column that does not exist is refused by name."""
        with pytest.raises(
            SettingsError, match=r"MLOPS_DRIFT__THRESHOLDS names agee. The columns are age, course"
        ):
            report_on(
                make_context, make_students(300, 1), make_students(300, 2), thresholds={"agee": 0.1}
            )

    @pytest.mark.parametrize(
        ("reference", "current", "which"),
        [(199, 400, "reference has"), (400, 199, "current data have")],
    )
    def test_too_few(
        self, make_context: MakeContext, reference: int, current: int, which: str
    ) -> None:
        """Too few rows on either side give no verdict, however different they are."""
        report = report_on(
            make_context, make_students(reference, 1), make_students(current, 2, age=30)
        )
        assert report.verdict == "not enough data"
        assert report.sentence == f"Not enough data: the {which} 199 rows; a verdict needs 200."
        assert report.features == {}


@pytest.mark.usefixtures("without_evidently")
class TestJoint:
    """All features together decide, too."""

    def test_swapped_rows(self, make_context: MakeContext) -> None:
        """Equal columns in another combination are drift, which the sentence and the page name."""
        reference, current = make_students(600, 1), make_students(500, 2)
        current["sleep_hours"] = np.sort(current["sleep_hours"])
        current["review_hours"] = np.sort(current["review_hours"])
        context = make_context()
        outcome = compare_datasets(context, dataset(reference), dataset(current))
        report = outcome.report
        assert report.sentence == (
            "Drift: 0 of 5 features drifted; the joint distribution of the features drifted."
        )
        assert report.joint is not None
        assert report.joint.strongest[0] == "sleep_hours x review_hours"
        text = outcome.pages[DRIFT_PAGE].decode()
        assert "their combinations have, most of all sleep_hours x review_hours" in text
        assert text.count("All features together") == 1

    def test_same_seed_same_result(self, make_context: MakeContext) -> None:
        """A check that is repeated gives the same p-value."""
        sides = make_students(600, 1), make_students(500, 2)
        first, second = (report_on(make_context, *sides).joint for _ in range(2))
        assert first == second


@pytest.mark.usefixtures("without_evidently")
class TestPredictionAndLabel:
    """Prediction and label are compared if both sides have them; only the prediction decides."""

    def test_prediction(self, make_context: MakeContext) -> None:
        """Drift of the predictions is drift of the data set."""
        current = make_students(600, 2)
        current[PREDICTION] = np.random.default_rng(3).beta(3, 8, 600)
        report = report_on(make_context, make_students(600, 1), current)
        assert report.prediction is not None
        assert report.label is not None
        assert (report.prediction.drifted, report.label.drifted, report.verdict) == (
            True,
            False,
            "drift",
        )
        assert report.sentence == "Drift: 0 of 5 features drifted; the predictions drifted."

    def test_label(self, make_context: MakeContext) -> None:
        """Drift of the labels is reported without being drift of the data set."""
        current = make_students(600, 2)
        current[LABEL.name] = np.resize([0.0, 1.0], 600)
        report = report_on(make_context, make_students(600, 1), current)
        assert report.label is not None
        assert (report.label.drifted, report.label.adjusted, report.verdict) == (True, None, "none")

    def test_one_side_only(self, make_context: MakeContext) -> None:
        """Live traffic has no labels, so there is no label drift."""
        report = report_on(
            make_context, make_students(600, 1), make_students(600, 2).drop(columns=[LABEL.name])
        )
        assert report.label is None
        assert report.prediction is not None

    def test_metrics(self, make_context: MakeContext) -> None:
        """The MLflow run gets the verdict, and the score and verdict of each column."""
        report = report_on(make_context, make_students(600, 1), make_students(600, 2, age=9))
        metrics = drift_report.to_metrics(report)
        assert metrics["drift"] == 1
        assert (metrics["age_drifted"], metrics["course_drifted"], metrics["drifted_fraction"]) == (
            1,
            0,
            0.2,
        )
        columns = (*FEATURE_NAMES, "prediction", "label")
        expected = {f"{name}_{what}" for name in columns for what in ("score", "drifted")}
        assert set(metrics) == expected | {
            "drift",
            "drifted_fraction",
            "joint_auc",
            "joint_score",
            "joint_drifted",
            "reference_rows",
            "current_rows",
        }


class TestManyRows:
    """Above `max_evidently_rows`, scores use all rows and Evidently's page a sample."""

    @pytest.mark.parametrize("methods", ["default", "evidently"])
    @pytest.mark.parametrize("change", [0.0, 0.5])
    def test_same_as_evidently(self, change: float, methods: str) -> None:
        """Both ways give the same method, score and verdict for every column."""
        sides = make_students(3_000, 1), make_students(1_500, 2, sleep_hours=change)
        columns, chosen = (
            compared_columns(*(side.columns for side in sides)),
            {}
            if methods == "default"
            else {"numeric_method": methods, "categorical_method": methods},
        )
        few, many = (
            compare_columns(
                *sides,
                columns,
                DriftSettings.model_validate(
                    chosen | {"max_evidently_rows": limit, "report_sample_rows": 1_000}
                ),
                1,
            )
            for limit in (100_000, 1_000)
        )
        assert (few.page_sample, many.page_sample) == (None, 1_000)
        for name, column in few.columns.items():
            other = many.columns[name]
            assert other.score == pytest.approx(column.score, rel=1e-9, abs=1e-12)
            assert other.model_dump(exclude={"score"}) == column.model_dump(exclude={"score"})

    def test_page_says_sampled(self) -> None:
        """Evidently's page says that it shows a sample, and where the verdict on all rows is."""
        sides = make_students(1_200, 1), make_students(1_200, 2)
        found = compare_columns(
            *sides,
            feature_columns(),
            DriftSettings(max_evidently_rows=1_000, report_sample_rows=1_000),
            1,
        )
        assert (
            b"a random sample of 1,000 rows of each data set. "
            b"The verdict on all rows is in drift_report.json" in found.page
        )
        assert "value counts of all rows" in found.computed_by


class TestValues:
    """Values that are not finite are missing; an unseen category is drift, not an error."""

    @pytest.mark.usefixtures("without_evidently")
    def test_missing(self, make_context: MakeContext) -> None:
        """Missing values do not enter the score, and are reported."""
        current = make_students(600, 2)
        current.loc[:99, "age"] = np.nan
        report = report_on(make_context, make_students(600, 1), current)
        assert (report.features["age"].current.rows, report.features["age"].current.missing) == (
            500,
            100,
        )
        assert not report.features["age"].drifted

    def test_nothing_but_missing(self, make_context: MakeContext) -> None:
        """A column without any value is an error that names it."""
        current = make_students(600, 2).assign(age=np.nan)
        with pytest.raises(
            DataError, match="The column 'age' has no value in any row of the current data"
        ):
            report_on(make_context, make_students(600, 1), current)

    @pytest.mark.usefixtures("without_evidently")
    def test_new_category(self, make_context: MakeContext) -> None:
        """A code that the reference lacks counts as a value, shown by its code."""
        current = make_students(600, 2)
        current.loc[:99, "relationship"] = 7.0
        column = report_on(make_context, make_students(600, 1), current).features["relationship"]
        assert column.drifted
        assert column.distribution.labels == ["no", "complicated", "yes", "7"]
        assert column.distribution.reference[-1] == 0
        assert column.outside == 100 / 600

    @pytest.mark.parametrize("method", ["chisquare_2samp", "evidently", "chisquare"])
    def test_constant(self, make_context: MakeContext, method: str) -> None:
        """A constant column has not drifted; its score is a number although the test gives none."""
        sides = make_students(600, 1).assign(course=1.0), make_students(600, 2).assign(course=1.0)
        column = report_on(make_context, *sides, categorical_method=method).features["course"]
        assert (column.drifted, column.score) == (False, 1.0)

    def test_frames_are_left_alone(self) -> None:
        """Comparing changes neither frame."""
        sides = make_students(300, 1), make_students(300, 2)
        copies = [side.copy() for side in sides]
        compare_columns(
            *sides, compared_columns(*(side.columns for side in sides)), DriftSettings(), 1
        )
        for side, copy in zip(sides, copies, strict=True):
            pd.testing.assert_frame_equal(side, copy)


@pytest.mark.usefixtures("without_evidently")
def test_distributions_are_of_whole_steps(make_context: MakeContext) -> None:
    """Bins hold whole steps, so that a flat distribution looks flat; fractions add up to 1."""
    frame = make_students(600, 1)
    frame["age"] = np.resize(np.arange(24.0, 54.0), 600)
    shape = report_on(make_context, frame, frame).features["age"].distribution
    assert shape.edges is not None
    assert np.diff(shape.edges) == pytest.approx(2)
    assert shape.reference == pytest.approx([1 / 15] * 15)
    assert sum(shape.current) == pytest.approx(1)


@pytest.mark.usefixtures("without_evidently")
def test_json_is_strict(make_context: MakeContext) -> None:
    """The report is JSON without NaN, and reads back as the same report."""
    report = report_on(make_context, make_students(600, 1), make_students(600, 2))
    assert Report(**json.loads(report.to_bytes())) == report


class Tags(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            value or "" for name, value in attributes if name in ("src", "href", "action")
        ]
        self.ids += [value or "" for name, value in attributes if name == "id"]


@pytest.fixture(scope="module")
def page() -> tuple[str, Tags]:
    """The page of drifted data, and what it is made of."""
    current = make_students(600, 2, sleep_hours=2).assign(course=1.0)
    outcome = compare_datasets(
        open_context(Settings(), "run-1"),
        dataset(make_students(600, 1)),
        dataset(current),
        "not requested: a <b>reason</b>",
    )
    text = outcome.pages[DRIFT_PAGE].decode()
    tags = Tags()
    tags.feed(text)
    return text, tags


class TestPage:
    """The page for people."""

    def test_draws_every_column(self, page: tuple[str, Tags]) -> None:
        """Each column has a card with a drawing: drifted features first, undecided columns last."""
        _, tags = page
        assert tags.ids == [
            "course",
            "sleep_hours",
            "age",
            "relationship",
            "review_hours",
            PREDICTION,
            LABEL.name,
        ]
        assert tags.tags.count("svg") == len(tags.ids)

    def test_is_self_contained(self, page: tuple[str, Tags]) -> None:
        """The page of two files links to nothing, and loads nothing."""
        text, tags = page
        assert tags.addresses == []
        assert not {"script", "img", "link", "iframe"} & set(tags.tags)
        assert not re.search(r"https?:|url\(|@import", text)

    def test_says_what_to_do_next(self, page: tuple[str, Tags]) -> None:
        """The steps name the drifted columns; rows that the training data lacks are counted."""
        text, _ = page
        assert "<li>Check the source of course, sleep_hours: a changed unit" in text
        assert "Retraining on the old rows changes nothing." in text
        assert re.search(
            r"\d+\.\d% of the current rows are outside the training data, 3 to 8<", text
        )
        assert re.search(r"<td>\d{4}-\d\d-\d\d \d\d:\d\d UTC, run ", text)

    def test_is_accessible(self, page: tuple[str, Tags]) -> None:
        """No rule of axe is violated."""
        text, _ = page
        assert find_violations(text) == []

    def test_escapes(self, page: tuple[str, Tags]) -> None:
        """Text from outside is escaped."""
        text, _ = page
        assert "not requested: a &lt;b&gt;reason&lt;/b&gt;" in text


def test_window_upside_down() -> None:
    """A window that ends before it begins is refused, with both times."""
    times = drift._time("2026-01-02"), drift._time("2026-01-01T12:00:00+02:00")
    window = drift.Window(since=times[0], until=times[1])
    with pytest.raises(
        SettingsError,
        match=r"--since 2026-01-02T00:00:00\+00:00 is not before "
        r"--until 2026-01-01T10:00:00\+00:00",
    ):
        drift.find_period(window, 24)
