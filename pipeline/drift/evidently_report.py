"""Run Evidently, which computes scores and draws its own page. No other module imports it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.drift.columns import Column
from pipeline.drift.decisions import get_weights
from pipeline.drift.methods import METHODS
from pipeline.drift.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.settings.drift import DriftSettings

SAMPLE_BANNER = (
    '<p style="margin:0;padding:12px 24px;background:#fff3cd;font:16px sans-serif">'
    "This page shows a random sample of {rows} rows of each data set. The verdict on all rows is "
    "in drift_report.json.</p>"
)


@dataclass(frozen=True)
class EvidentlyResult:
    """Evidently's results.

    Attributes:
        scores: Score of each column whose method Evidently has.
        page: Its HTML page.
    """

    scores: dict[str, float]
    page: bytes


def load() -> Any:
    """Import Evidently, without its telemetry and its dependencies' import warnings."""
    os.environ["DO_NOT_TRACK"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import evidently
        import evidently.metrics
        import evidently.presets
    return evidently


def version() -> str:
    """Return Evidently's version."""
    from importlib import metadata

    return metadata.version("evidently")


def draw(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    plans: Sequence[Plan],
    settings: DriftSettings,
    sample: int | None,
) -> EvidentlyResult:
    """Run Evidently's report: first the features in its preset, then prediction and label.

    Args:
        reference: The rows that the model learned from.
        current: The rows to compare with them.
        plans: How each column is compared.
        settings: Thresholds.
        sample: Number of rows of each data set if these are a sample, else None.

    Returns:
        Score of each column, and the page.
    """
    import numpy as np

    evidently = load()
    metrics = _make_metrics(evidently, plans, settings, is_sample=sample is not None)
    categories = [plan.column.name for plan in plans if plan.kind == "category"]
    numbers = [plan.column.name for plan in plans if plan.kind == "number"]
    definition = evidently.DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    columns = [plan.column for plan in plans]
    sides = [
        evidently.Dataset.from_pandas(_with_category_names(frame, columns), definition)
        for frame in (current, reference)
    ]
    # Two expected warnings: an unseen category divides by zero, a constant column has no
    # correlation.
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "ks_2samp: Exact calculation unsuccessful", RuntimeWarning
        )
        result = evidently.Report(metrics, include_tests=True).run(*sides)
        page = result.get_html_str(as_iframe=False)
    if sample:
        page = page.replace("<body>", "<body>" + SAMPLE_BANNER.format(rows=f"{sample:,}"), 1)
    return EvidentlyResult(_scores(result.dict(), plans), page.encode())


def _make_metrics(
    evidently: Any, plans: Sequence[Plan], settings: DriftSettings, *, is_sample: bool
) -> list[Any]:
    """Return the preset with the features, and a metric for each other column.

    A method is passed only where it differs from Evidently's default, so that its rule stays the
    reference. With a sample it is always passed, because the default depends on the row count.
    """
    methods = {}
    thresholds = {}
    weights = get_weights([plan.column for plan in plans])
    for plan in plans:
        name = plan.column.name
        thresholds[name] = plan.threshold
        if plan.method.statistic == "p-value" and name not in settings.thresholds:
            # Evidently does not adjust p-values, so its page gets the bound of the smallest one.
            thresholds[name] *= weights.get(name, 1.0) / sum(weights.values())
        if plan.method.evidently_title is None:
            methods[name], thresholds[name] = _similar_method(plan, thresholds[name], settings)
        elif plan.overrides_default or is_sample:
            methods[name] = plan.method.name
    features = [plan.column.name for plan in plans if plan.column.role == "feature"]
    preset = evidently.presets.DataDriftPreset(
        columns=features,
        drift_share=1 / len(features),
        per_column_method={name: method for name, method in methods.items() if name in features},
        per_column_threshold={name: thresholds[name] for name in features},
    )
    others = [
        evidently.metrics.ValueDrift(column=name, method=methods.get(name), threshold=threshold)
        for name, threshold in thresholds.items()
        if name not in features
    ]
    return [preset, *others]


def _similar_method(plan: Plan, threshold: float, settings: DriftSettings) -> tuple[str, float]:
    """Evidently's method and threshold for the page of a column whose method it lacks."""
    if plan.column.kind == "category" and plan.distinct == 2:
        return "z", threshold  # equal to the two-sample chi-square test
    return "jensenshannon", settings.distance_threshold


def _with_category_names(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """The columns as floats, categories by name for Evidently's page."""
    import pandas as pd

    return pd.DataFrame(
        {
            column.name: frame[column.name].astype(float)
            if column.kind == "number"
            else frame[column.name].map(column.category_name, na_action="ignore")
            for column in columns
        }
    ).reset_index(drop=True)


def _scores(result: Mapping[str, Any], plans: Sequence[Plan]) -> dict[str, float]:
    expected = {plan.column.name: plan.method for plan in plans}
    names = {method.evidently_title: method.name for method in METHODS.values()}
    scores = {}
    for metric in result["metrics"]:
        config = metric["config"]
        if "column" in config and expected[config["column"]].evidently_title is not None:
            used = names.get(config["method"], config["method"])
            assert used == expected[config["column"]].name, f"Evidently used {used}"
            scores[config["column"]] = float(metric["value"])
    return scores
