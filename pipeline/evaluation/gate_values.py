"""Everything that the deployment gates judge of a candidate, measured on its model as it is served."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipeline.columns import EXPECTATIONS, FEATURE_NAMES, LABEL
from pipeline.evaluation import behavioral_checks
from pipeline.evaluation.datasets import drop_training_rows, read_split
from pipeline.model.arrays import feature_array, label_array
from pipeline.model.bundle import ONNX, ONNX_INPUT, ONNX_OUTPUT, Bundle
from pipeline.model.metrics import Predictions, compute_metrics, paired_differences
from pipeline.model.onnx import open_session, positive_probability
from pipeline.settings import Settings
from pipeline.storage.artifacts import Interval
from pipeline.storage.lake import Lake

LATENCY_ROWS = 300
"""Single rows timed per model, in turns."""


@dataclass(frozen=True)
class ShadowTraffic:
    """How a version that the predictors score in the shadow compares with the one that answers.

    Attributes:
        rows: Number of live rows that both scored.
        agreement: Fraction of those rows that both gave the same label.
    """

    rows: int
    agreement: float


@dataclass(frozen=True)
class GateValues:
    """`values` by gate, without its `min_` or `max_`; None where there is nothing to judge."""

    values: dict[str, float | None]
    metrics: Mapping[str, Interval] = field(default_factory=dict)
    gain: Mapping[str, Interval] = field(default_factory=dict)
    """The candidate's metrics minus the champion's, on the same rows."""
    notes: tuple[str, ...] = ()


def measure_gate_values(
    lake: Lake,
    settings: Settings,
    ours: Bundle,
    theirs: Bundle | None,
    shadow: ShadowTraffic | None,
) -> GateValues:
    """Measures the candidate `ours` beside the champion `theirs` on the test split of the candidate's lineage."""
    session = open_session(ours)
    signature = signature_matches(ours, session)
    values: dict[str, float | None] = {
        "signature_match": float(signature),
        "model_size_mib": len(ours.files[ONNX]) / 2**20,
        "shadow_agreement": shadow.agreement
        if shadow and shadow.rows >= settings.deployment.min_shadow_rows
        else None,
    }
    if not signature:  # such a model cannot be asked anything else
        return GateValues(dict.fromkeys(MODEL_MEASURES) | values)
    test = read_split(lake, ours.manifest.lineage, "test")
    alone = _alone(settings, ours, session, test)
    beside = _beside(lake, settings, ours, theirs, test)
    return GateValues(
        dict.fromkeys(MODEL_MEASURES) | values | alone.values | beside.values,
        alone.metrics,
        beside.gain,
        (*alone.notes, *beside.notes),
    )


MODEL_MEASURES = (
    *(
        "roc_auc",
        "roc_auc_lower",
        "recall",
        "balanced_accuracy",
        "onnx_difference",
        "calibration_error",
    ),
    *(
        "expected_effect",
        "rounding_flip_rate",
        "group_recall_upper",
        "group_false_positive_rate_gap",
    ),
    *(
        "roc_auc_gain",
        "recall_difference_upper",
        "balanced_accuracy_difference_upper",
        "latency_ratio",
    ),
)
"""What only a model with the right signature can be measured for."""


def signature_matches(bundle: Bundle, session: Any) -> bool:
    """Whether the model takes exactly the API's features, in their order, as float32 [rows, features]."""
    inputs = [(item.name, item.type, item.shape[1:]) for item in session.get_inputs()]
    outputs = {item.name for item in session.get_outputs()}
    return (
        tuple(bundle.manifest.features) == FEATURE_NAMES
        and inputs == [(ONNX_INPUT, "tensor(float)", [len(FEATURE_NAMES)])]
        and ONNX_OUTPUT in outputs
    )


def _alone(settings: Settings, bundle: Bundle, session: Any, test: pd.DataFrame) -> GateValues:
    """What is measured of the candidate by itself."""

    def score(rows: behavioral_checks.Floats) -> behavioral_checks.Floats:
        return positive_probability(session, rows)

    rows, label = feature_array(test), label_array(test)
    examples, threshold = bundle.manifest.examples, bundle.manifest.threshold
    scored = Predictions(score(rows), threshold)
    metrics = compute_metrics(label, scored, settings.bootstrap_samples, settings.seed)
    found = behavioral_checks.find_groups(rows)
    recall = behavioral_checks.lowest_group_recall(
        found, label, scored.positive, settings.deployment.min_positives
    )
    alarms = behavioral_checks.group_false_positive_rate_gap(found, label, scored.positive)
    notes = []
    if recall:
        notes.append(f"of all groups '{recall[1]}' has the least recall, {recall[0]:.2f} at most")
    if alarms:
        notes.append(
            f"of all groups '{alarms[1]}' has the most false alarms, at least {alarms[0]:+.2f} beside all rows' share"
        )
    values: dict[str, float | None] = {
        **{name: metric.value for name, metric in metrics.items()},
        "roc_auc_lower": metrics["roc_auc"].low,
        "onnx_difference": float(
            np.max(np.abs(score(np.array(examples.inputs)) - np.array(examples.fail_probability)))
        ),
        "calibration_error": behavioral_checks.calibration_error(label, scored.probability),
        "expected_effect": behavioral_checks.expected_effect(score, rows, EXPECTATIONS),
        "rounding_flip_rate": behavioral_checks.rounding_flip_rate(score, rows, threshold),
        "group_recall_upper": recall and recall[0],
        "group_false_positive_rate_gap": alarms and alarms[0],
    }
    return GateValues(values, metrics, notes=tuple(notes))


def _beside(
    lake: Lake, settings: Settings, ours: Bundle, theirs: Bundle | None, test: pd.DataFrame
) -> GateValues:
    """What is measured of the candidate beside the champion, on rows that the champion did not learn from either."""
    if theirs is None:
        return GateValues({})
    test, notes = rows_unseen_by_champion(lake, settings, theirs, ours, test)
    gain, ratio = compare_models(settings, ours, theirs, test)
    values: dict[str, float | None] = {
        "roc_auc_gain": gain["roc_auc"].value,
        "recall_difference_upper": gain["recall"].high,
        "balanced_accuracy_difference_upper": gain["balanced_accuracy"].high,
        "latency_ratio": ratio,
    }
    return GateValues(values, gain=gain, notes=notes)


def rows_unseen_by_champion(
    lake: Lake, settings: Settings, theirs: Bundle, ours: Bundle, test: pd.DataFrame
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Of our test rows those that the other model did not learn from, if they are enough; and a note on what was left out."""
    if theirs.manifest.lineage.gold == ours.manifest.lineage.gold:
        return test, ()
    fresh = drop_training_rows(lake, test, theirs.manifest.lineage)
    positives = int(fresh[LABEL.name].sum())
    enough = positives >= settings.deployment.min_positives and positives < len(fresh)
    consequence = (
        "they are left out of the comparison"
        if enough
        else "too many to leave them out, which favours it"
    )
    learned = f"version {theirs.manifest.version} learned from {len(test) - len(fresh)} of the {len(test)} test rows"
    return (fresh if enough else test), (f"{learned}: {consequence}",)


def compare_models(
    settings: Settings, ours: Bundle, theirs: Bundle, test: pd.DataFrame
) -> tuple[dict[str, Interval], float]:
    """Our metrics minus theirs on the same rows, and our time for one row over theirs."""
    rows, label = feature_array(test), label_array(test)
    session, other = open_session(ours), open_session(theirs)
    gain = paired_differences(
        label,
        Predictions(positive_probability(session, rows), ours.manifest.threshold),
        Predictions(positive_probability(other, rows), theirs.manifest.threshold),
        settings.bootstrap_samples,
        settings.seed,
    )
    return gain, latency_ratio(session, other, rows)


def latency_ratio(ours: Any, theirs: Any, rows: Any) -> float:
    """Median time of one row, ours over theirs; both are timed in turns, so that a busy machine slows both."""
    singles = [rows[[place % len(rows)]] for place in range(LATENCY_ROWS)]
    times: tuple[list[int], list[int]] = ([], [])
    for single in singles:
        for session, taken in zip((ours, theirs), times, strict=True):
            start = time.perf_counter_ns()
            positive_probability(session, single)
            taken.append(time.perf_counter_ns() - start)
    return statistics.median(times[0]) / statistics.median(times[1])
