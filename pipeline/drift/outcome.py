"""Compare two data sets, and build the report and its pages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.columns import FEATURE_NAMES, LABEL
from pipeline.context import Context
from pipeline.data.source_changes import read_changes
from pipeline.drift.columns import PREDICTION, compared_columns, feature_columns
from pipeline.drift.comparison import Comparison, compare_counts
from pipeline.drift.counts import align
from pipeline.drift.data import Dataset
from pipeline.drift.decisions import decide, get_weights
from pipeline.drift.joint import compare_jointly
from pipeline.drift.page import page
from pipeline.drift.performance import estimate_from_counts
from pipeline.drift.report import (
    DRIFT,
    NONE,
    TOO_FEW,
    ExpectedPerformance,
    JointDrift,
    Report,
    count_drifted,
    verdict_sentence,
)
from pipeline.errors import SettingsError
from pipeline.model.bundle import Manifest
from pipeline.model.intervals import rate_interval
from pipeline.settings.drift import DriftSettings
from pipeline.storage.layout import DRIFT_PAGE, DRIFT_REPORT, EVIDENTLY_PAGE
from pipeline.times import utc_now


@dataclass(frozen=True)
class Outcome:
    """A report, and its pages if there is a verdict."""

    report: Report
    pages: Mapping[str, bytes]

    @property
    def files(self) -> dict[str, bytes]:
        """The report and its pages by file name."""
        return {DRIFT_REPORT: self.report.to_bytes(), **self.pages}


def compare_datasets(
    context: Context,
    reference: Dataset,
    current: Dataset,
    retraining: str | None = None,
    model: Manifest | None = None,
) -> Outcome:
    """Compare two data sets and build the report.

    Args:
        context: The run.
        reference: Rows that the model learned from.
        current: Rows to compare with them.
        retraining: Text of the report about retraining, used if there is drift.
        model: The model that predicted both, whose performance is estimated. With a model, the
            report has what `ingest` and `preprocess` found in the newest raw file.

    Returns:
        The report; without pages if there are too few rows for a verdict.

    Raises:
        SettingsError: If a threshold is set for a column that is not compared.
        DataError: If a column has no value at all in one of the data sets.
    """
    from threadpoolctl import threadpool_limits

    settings = context.settings.drift
    _check_thresholds(settings)
    origin: dict[str, Any] = {
        "run_id": context.run_id,
        "created": utc_now(),
        "reference": reference.facts,
        "current": current.facts,
        "source_changes": read_changes(context.lake) if model else [],
    }
    if sentence := _find_shortage(reference, current, settings.min_rows):
        return Outcome(Report(verdict=TOO_FEW, sentence=sentence, **origin), {})
    columns = compared_columns(reference.frame.columns, current.frame.columns)
    together = [column for column in feature_columns() if column.name not in settings.thresholds]
    frames, seed = (reference.frame, current.frame), context.settings.seed
    counts = None
    if reference.totals or current.totals:
        counts = {
            column.name: align(reference.count(column.name), current.count(column.name))
            for column in columns
        }
    compared = compare_counts(frames, columns, settings, seed, counts)
    with threadpool_limits(1):  # more threads only wait for each other on products this small
        jointly = compare_jointly(*frames, together, settings, seed)
    results, joint = decide(
        compared.columns,
        jointly,
        get_weights(columns),
        settings.thresholds,
        settings.max_false_positive_rate,
    )
    performance = None if model is None else _expect_performance(context, model, reference, current)
    compared = replace(compared, columns=results)
    report = _build_report(compared, joint, retraining, origin | {"performance": performance})
    return Outcome(report, {EVIDENTLY_PAGE: compared.page, DRIFT_PAGE: page(report)})


def _expect_performance(
    context: Context, model: Manifest, reference: Dataset, current: Dataset
) -> ExpectedPerformance:
    """Estimate the performance on the current rows, next to what was measured with labels."""
    learned = reference.frame[PREDICTION].dropna()
    calibrated_on = learned[:: math.ceil(len(learned) / context.settings.train.sample_rows)]
    found = current.count(PREDICTION)
    expected = estimate_from_counts(
        found.values,
        found.counts,
        model.threshold,
        calibrated_on.to_numpy(float),
        context.settings.seed,
    )
    labels = reference.count(LABEL.name)
    positives = int(labels.get_counts(np.array([1.0]))[0])
    measured = model.metrics | {"positive_rate": rate_interval(positives, labels.rows)}
    return ExpectedPerformance(
        threshold=model.threshold,
        rows=found.rows,
        predicted_positive=current.count_predicted_positive(model.threshold),
        expected=expected,
        measured={name: measured[name] for name in expected if name in measured},
    )


def _check_thresholds(settings: DriftSettings) -> None:
    known = (*FEATURE_NAMES, PREDICTION, LABEL.name)
    if unknown := set(settings.thresholds) - set(known):
        raise SettingsError(
            f"MLOPS_DRIFT__THRESHOLDS names {', '.join(sorted(unknown))}. "
            f"The columns are {', '.join(known)}."
        )


def _find_shortage(reference: Dataset, current: Dataset, min_rows: int) -> str | None:
    """Name the data set that has too few rows for a verdict."""
    for which, side in (("reference has", reference), ("current data have", current)):
        if side.rows < min_rows:
            return f"Not enough data: the {which} {side.rows:,} rows; a verdict needs {min_rows:,}."
    return None


def _build_report(
    compared: Comparison, joint: JointDrift, retraining: str | None, others: dict[str, Any]
) -> Report:
    features = {name: column for name, column in compared.columns.items() if name in FEATURE_NAMES}
    prediction = compared.columns.get(PREDICTION)
    drifted = [joint.drifted, *(column.drifted for column in features.values())]
    if prediction is not None:
        drifted.append(prediction.drifted)
    verdict = DRIFT if any(drifted) else NONE
    return Report(
        verdict=verdict,
        sentence=verdict_sentence(features, prediction, joint),
        drifted_features=count_drifted(features),
        features=features,
        prediction=prediction,
        joint=joint,
        label=compared.columns.get(LABEL.name),
        computed_by=compared.computed_by,
        page_sample=compared.page_sample,
        retraining=retraining if verdict == DRIFT else None,
        **others,
    )
