"""The measurements of a data check as lines of text, for its page and for the model card."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.data_check.report import DataCheck


def list_measurements(check: DataCheck) -> Iterator[tuple[str, str]]:
    """Name and value of each measurement of the whole table."""
    if check.order:
        order = check.order
        yield "ROC AUC of the row number", f"{order.auc}, p = {order.p_value:.2g}"
        yield (
            "runs of equal labels",
            f"{order.runs:,}; {order.expected_runs:,.0f} in a random order, "
            f"p = {order.runs_p_value:.2g}",
        )
    if check.rule:
        rule = check.rule
        yield (
            "best rule of at most two conditions",
            f"{rule.rule}: ROC AUC {rule.auc:.3f} on the rows that it was found on, "
            f"{rule.cross_validated_auc:.3f} on others; recall {rule.recall:.3f}, specificity "
            f"{rule.specificity:.3f}",
        )
    if check.null:
        null = check.null
        yield (
            "a linear model",
            f"ROC AUC {null.auc:.3f}; on permuted labels {null.null_mean:.3f}, 95 % of them below "
            f"{null.null_high:.3f}; p = {null.p_value:.2g}",
        )
    duplicates = check.duplicates
    yield (
        "rows that repeat the features of an earlier row",
        f"{duplicates.repeated:,}; {duplicates.expected:,} by chance",
    )
    yield "rows whose features occur with both labels", f"{duplicates.contradicting:,}"
    if check.persons:
        persons = check.persons
        yield (
            f"different values of `{persons.column}`",
            f"{persons.persons:,}; {check.rows / persons.persons:.1f} rows each on average, at "
            f"most {persons.most:,}",
        )
    if check.terms:
        terms = check.terms
        yield (
            f"different values of `{terms.column}`",
            f"{terms.terms:,}, from {terms.oldest} to {terms.newest}; {terms.newest_rows:,} rows "
            "in the newest",
        )
