"""Check what can be learned from a table, and state what people should know about it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pipeline.columns import FILE_NOTES, LABEL
from pipeline.data_check import measurements
from pipeline.data_check.report import DataCheck, Finding, PositivesNeeded
from pipeline.data_check.roles import RoleChecks
from pipeline.data_check.sample_size import RECALL_HALF_WIDTHS, find_positives_needed
from pipeline.settings import Settings
from pipeline.types import FloatArray, IntArray

MAX_ROWS_PER_CLASS = 5_000
"""Rows of each class that models and rules are fitted on. ROC AUC does not depend on the ratio of
the classes, so each class can be sampled separately."""

MAX_P_VALUE = 0.001
"""A dependence on the order is reported if its p-value is below this, and it is this strong:"""
MIN_ORDER_AUC = 0.55
MAX_RUNS_RATIO = 0.9
"""Runs, as a fraction of those of a random order."""
MAX_EXCESS_DUPLICATES = 0.01
"""Repeated rows beyond those expected, as a fraction of all rows."""
MAX_CONTRADICTING = 0.01
"""Rows whose features occur with both labels, as a fraction of all rows."""
MAX_MOST_COMMON = 0.99
"""A feature is nearly constant if at least this fraction of its values is the same."""
MIN_LEAK_AUC = 0.95
"""A single feature that ranks the rows this well may have been recorded after the outcome."""
MAX_NULL_P_VALUE = 0.05
"""A simple model that is no better than on permuted labels has nothing to learn."""
NO_ROLES = RoleChecks()
MAX_ROWS_OF_A_PERSON = 5
"""Persons have many rows if a row's person has more than this, on average over all rows."""
RECALL_HALF_WIDTH = RECALL_HALF_WIDTHS[0]
"""Half width of the recall's interval that the test split should allow."""


def check_data(
    rows: FloatArray,
    labels: IntArray,
    settings: Settings,
    sha256: str,
    roles: RoleChecks = NO_ROLES,
) -> DataCheck:
    """Check the rows of a file, in their order.

    Args:
        rows: Features in the order of columns.FEATURES, shape (n_rows, n_features).
        labels: 1 for the positive class, shape (n_rows,).
        settings: The seed, the fraction of test rows, and the recall to assume.
        sha256: Hash of the raw file, for what is known about it.
        roles: How the rows are spread over persons and terms. If it counts more rows, the rows of
            this check are a random sample of those.

    Returns:
        The measurements, and the findings beyond their bounds.
    """
    positives = int(labels.sum())
    rarer = min(positives, labels.size - positives)
    file_rows = max(roles.rows, labels.size)
    sample = _sample_rows(labels, settings.seed)
    can_fit = rarer >= measurements.FOLDS
    fitted = (rows[sample], labels[sample], settings.seed)
    null = measurements.check_null(*fitted) if can_fit else None
    rule = measurements.check_rule(*fitted) if can_fit else None
    needed: list[PositivesNeeded] = []
    if null and rule:
        needed = find_positives_needed(
            max(null.auc, rule.cross_validated_auc),
            settings.train.min_recall,
            math.ceil(positives * file_rows / labels.size * settings.features.test_fraction),
            (labels.size - positives) / positives,
        )
    check = DataCheck(
        rows=labels.size,
        file_rows=file_rows if file_rows > labels.size else None,
        positives=positives,
        note=FILE_NOTES.get(sha256),
        order=measurements.check_order(labels) if rarer >= 2 else None,
        duplicates=measurements.check_duplicates(rows, labels, settings.seed),
        features=measurements.check_features(rows, sample, labels),
        null=null,
        rule=rule,
        needed=needed,
        persons=roles.persons,
        terms=roles.terms,
    )
    return check.model_copy(update={"findings": list(find_findings(check))})


def _sample_rows(labels: IntArray, seed: int) -> IntArray:
    """Indices of at most MAX_ROWS_PER_CLASS rows of each class, in their order."""
    random = np.random.default_rng(seed)
    parts = [
        random.permutation(np.flatnonzero(labels == value))[:MAX_ROWS_PER_CLASS] for value in (0, 1)
    ]
    return np.sort(np.concatenate(parts))


def find_findings(check: DataCheck) -> Iterator[Finding]:
    """Compare the measurements with their bounds, and yield those beyond them."""
    yield from _judge_order(check)
    yield from _judge_duplicates(check)
    yield from _judge_features(check)
    yield from _judge_models(check)
    yield from _judge_persons(check)


def _judge_order(check: DataCheck) -> Iterator[Finding]:
    order = check.order
    if order is None:
        return
    if order.p_value < MAX_P_VALUE and order.strength >= MIN_ORDER_AUC:
        yield Finding(
            check="order_auc",
            value=order.strength,
            bound=MIN_ORDER_AUC,
            sentence=f"The row number ranks the rows by `{LABEL.name}` with a ROC AUC of "
            f"{order.strength:.3f}: the label depends on the row's place in the file. No figure "
            "measured on a random split of it holds for new rows",
        )
    ratio = order.runs / order.expected_runs
    if order.runs_p_value < MAX_P_VALUE and ratio <= MAX_RUNS_RATIO:
        yield Finding(
            check="runs",
            value=ratio,
            bound=MAX_RUNS_RATIO,
            sentence=f"Rows of the same label follow each other: {order.runs:,} runs, where a "
            f"random order has {order.expected_runs:,.0f}",
        )


def _judge_duplicates(check: DataCheck) -> Iterator[Finding]:
    duplicates = check.duplicates
    excess = (duplicates.repeated - duplicates.expected) / check.rows
    if excess > MAX_EXCESS_DUPLICATES:
        yield Finding(
            check="duplicates",
            value=excess,
            bound=MAX_EXCESS_DUPLICATES,
            sentence=f"{duplicates.repeated:,} of {check.rows:,} rows repeat the features of "
            f"an earlier row, {duplicates.expected:,} would by chance. Repeated rows can be in the "
            "training rows and in the test rows",
        )
    contradicting = duplicates.contradicting / check.rows
    if contradicting > MAX_CONTRADICTING:
        yield Finding(
            check="contradicting",
            value=contradicting,
            bound=MAX_CONTRADICTING,
            sentence=f"{duplicates.contradicting:,} of {check.rows:,} rows have features that "
            "occur with both labels. No model of these features can tell them apart",
        )


def _judge_features(check: DataCheck) -> Iterator[Finding]:
    for feature in check.features:
        if feature.most_common >= MAX_MOST_COMMON:
            yield Finding(
                check="constant",
                value=feature.most_common,
                bound=MAX_MOST_COMMON,
                sentence=f"`{feature.name}` has the same value in {feature.most_common:.1%} of the "
                "rows. A model can learn little from it",
            )
        if feature.auc and feature.auc.value >= MIN_LEAK_AUC:
            yield Finding(
                check="leak",
                value=feature.auc.value,
                bound=MIN_LEAK_AUC,
                sentence=f"Without other features, `{feature.name}` ranks the rows with a ROC AUC "
                f"of {feature.auc.value:.3f}. Check that it is known before the outcome is",
            )


def _judge_models(check: DataCheck) -> Iterator[Finding]:
    if check.null and check.null.p_value > MAX_NULL_P_VALUE:
        yield Finding(
            check="null",
            value=check.null.p_value,
            bound=MAX_NULL_P_VALUE,
            sentence=f"A linear model ranks the rows with a ROC AUC of {check.null.auc:.3f}, "
            f"no better than on permuted labels (up to {check.null.null_high:.3f}, p = "
            f"{check.null.p_value:.2f}). There may be nothing to learn",
        )
    for item in check.needed:
        if (item.metric, item.half_width) == ("recall", RECALL_HALF_WIDTH) and (
            item.present < item.needed
        ):
            yield Finding(
                check="positives",
                value=item.present,
                bound=item.needed,
                sentence=f"The test split gets about {item.present:,} rows labelled "
                f"`{LABEL.positive}`. It needs {item.needed:,} to measure a recall of "
                f"{item.assumed:g} to within {item.half_width:g}",
            )


def _judge_persons(check: DataCheck) -> Iterator[Finding]:
    persons = check.persons
    if persons and persons.typical > MAX_ROWS_OF_A_PERSON:
        yield Finding(
            check="persons",
            value=persons.typical,
            bound=MAX_ROWS_OF_A_PERSON,
            sentence=f"{check.file_rows or check.rows:,} rows have only {persons.persons:,} "
            f"different values of `{persons.column}`, up to {persons.most:,} rows each. Rows with "
            "the same value are not independent, so a model learns less from them than from as "
            "many other rows",
        )
