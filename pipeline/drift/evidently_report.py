"""Evidently: the reference for every score, and its own page. Nothing else imports it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.drift.methods import Column, Plan

if TYPE_CHECKING:
    import pandas as pd

DISPLAYED = {
    "K-S p_value": "ks",
    "chi-square p_value": "chisquare",
    "Z-test p_value": "z",
    "Wasserstein distance (normed)": "wasserstein",
    "Jensen-Shannon distance": "jensenshannon",
}
"""What Evidently calls the methods when it has picked them itself."""

SAMPLED = (
    '<p style="margin:0;padding:12px 24px;background:#fff3cd;font:16px sans-serif">Drawn from a random sample of {rows} rows of '
    "each data set: the verdict on all rows is in drift_report.json.</p>"
)


@dataclass(frozen=True)
class Drawn:
    """Evidently's answer: score and verdict of each column, and its page."""

    scores: dict[str, tuple[float, bool]]
    page: bytes


def load() -> Any:
    """The package, without its telemetry and without the warnings that importing its dependencies gives."""
    os.environ["DO_NOT_TRACK"] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import evidently
        import evidently.metrics
        import evidently.presets
    return evidently


def version() -> str:
    """Evidently's version."""
    from importlib.metadata import version as version_of

    return version_of("evidently")


def draw(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    plans: Sequence[Plan],
    share: float,
    sample: int | None,
) -> Drawn:
    """Evidently's report on the columns: the features in its preset, prediction and label beside it.

    `share` of drifted features is the data set's bound; `sample` is how many rows of each data set these are, if not all.
    """
    import numpy as np

    evidently = load()
    # Where Evidently would pick the same method it is left to: its rule stays the reference. A sample may fall on the other
    # side of that rule, and so is told.
    named = {item.column.name: item.method for item in plans if item.named or sample}
    thresholds = {item.column.name: item.threshold for item in plans}
    features = [item.column.name for item in plans if item.column.decides]
    preset = evidently.presets.DataDriftPreset(
        columns=features,
        drift_share=share,
        per_column_method={name: method for name, method in named.items() if name in features},
        per_column_threshold={name: thresholds[name] for name in features},
    )
    others = [
        evidently.metrics.ValueDrift(column=name, method=named.get(name), threshold=threshold)
        for name, threshold in thresholds.items()
        if name not in features
    ]
    categories = [item.column.name for item in plans if item.kind == "category"]
    numbers = [name for name in thresholds if name not in categories]
    definition = evidently.DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    columns = [item.column for item in plans]
    sides = [
        evidently.Dataset.from_pandas(_named(frame, columns), definition)
        for frame in (current, reference)
    ]
    # A category that the reference lacks divides by 0, a constant column has no correlation: both have their answer.
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "ks_2samp: Exact calculation unsuccessful", RuntimeWarning
        )
        result = evidently.Report([preset, *others], include_tests=True).run(*sides)
        page = result.get_html_str(as_iframe=False)
    if sample:
        page = page.replace("<body>", "<body>" + SAMPLED.format(rows=f"{sample:,}"), 1)
    return Drawn(_scores(result.dict(), plans), page.encode())


def _named(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """The columns as floats, categories by their names, as Evidently's page should show them."""
    import pandas as pd

    from pipeline.drift.report import category_label

    return pd.DataFrame(
        {
            column.name: frame[column.name].astype(float)
            if column.kind == "number"
            else frame[column.name].map(
                lambda code, names=column.names: category_label(names, code), na_action="ignore"
            )
            for column in columns
        }
    ).reset_index(drop=True)


def _scores(result: Mapping[str, Any], plans: Sequence[Plan]) -> dict[str, tuple[float, bool]]:
    methods = {item.column.name: item.method for item in plans}
    failed = {
        test["metric_config"]["metric_id"]: test["status"].value == "FAIL"
        for test in result["tests"]
    }
    scores = {}
    for metric in result["metrics"]:
        config = metric["config"]
        if "column" in config:
            used = DISPLAYED.get(config["method"], config["method"])
            assert used == methods[config["column"]], (
                f"Evidently compared {config['column']} by {used}"
            )
            scores[config["column"]] = (float(metric["value"]), failed[metric["id"]])
    return scores
