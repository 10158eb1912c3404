"""The data check as a document: measurements, and findings that people should read."""

from __future__ import annotations

from pydantic import Field

from pipeline.storage.artifacts.base import Artifact, Interval
from pipeline.storage.lake import Lake
from pipeline.storage.layout import DATA_CHECK, report_file


class OrderCheck(Artifact):
    """Whether the label depends on the row's place in the file."""

    auc: Interval
    """ROC AUC of the row number."""
    p_value: float
    """Of the Mann-Whitney test of the row number."""
    runs: int
    """Number of stretches of rows with the same label."""
    expected_runs: float
    """Their mean if the order is random."""
    runs_p_value: float
    """Of the Wald-Wolfowitz runs test."""

    @property
    def strength(self) -> float:
        """ROC AUC of the row number or of its reverse, whichever is higher."""
        return max(self.auc.value, 1 - self.auc.value)


class DuplicateCheck(Artifact):
    """Rows that repeat the features of an earlier row."""

    repeated: int
    expected: int
    """Their number if the features were independent of each other."""
    contradicting: int
    """Rows whose features occur with both labels."""


class FeatureCheck(Artifact):
    """One feature."""

    name: str
    distinct: int
    most_common: float
    """Fraction of the rows that have the most common value."""
    auc: Interval | None
    """ROC AUC of the feature as a score, or of its reverse. A category is ranked by the rate of
    positive rows in it, and blanks before all numbers."""
    blanks: int = Field(default=0, exclude_if=lambda blanks: not blanks)
    """Number of rows in which it is blank."""


class NullCheck(Artifact):
    """A simple model on the real labels, and on labels that were permuted."""

    auc: float
    """Cross-validated ROC AUC of a linear discriminant."""
    null_mean: float
    null_high: float
    """Mean and 95 % quantile of the same with permuted labels."""
    permutations: int
    p_value: float


class RuleCheck(Artifact):
    """The best rule of at most two conditions."""

    rule: str
    auc: float
    """ROC AUC, which is its balanced accuracy too, on the rows that it was found on."""
    cross_validated_auc: float
    """The same with the rule found on the other folds."""
    recall: float
    specificity: float


class PositivesNeeded(Artifact):
    """Positive rows that the test split needs for an interval of a stated width."""

    metric: str
    assumed: float
    half_width: float
    needed: int
    present: int


class PersonCheck(Artifact):
    """How the rows are spread over persons."""

    column: str
    """Name of the key."""
    persons: int
    most: int
    """Largest number of rows of a person."""
    typical: float
    """Mean number of rows of the persons of all rows: a person with twice the rows counts twice."""


class TermCheck(Artifact):
    """The terms that the rows are of."""

    column: str
    """Name of the column with the terms."""
    terms: int
    oldest: str
    newest: str
    newest_rows: int
    """Number of rows of the newest term."""


class Finding(Artifact):
    """A measurement that people should read."""

    check: str
    value: float
    bound: float
    sentence: str


class DataCheck(Artifact):
    """What can be learned from the rows of a run.

    A measurement that the rows do not allow is None.
    """

    rows: int
    """Number of rows that were checked."""
    file_rows: int | None = Field(default=None, exclude_if=lambda rows: rows is None)
    """Number of valid rows of the file; None, and not in JSON, if all of them were checked."""
    positives: int
    note: str | None
    """What is known about this file; see columns.FILE_NOTES."""
    order: OrderCheck | None = None
    duplicates: DuplicateCheck
    features: list[FeatureCheck]
    null: NullCheck | None = None
    rule: RuleCheck | None = None
    needed: list[PositivesNeeded] = Field(default_factory=list)
    persons: PersonCheck | None = Field(default=None, exclude_if=lambda check: check is None)
    """None, and not in JSON, if the table has no `key`."""
    terms: TermCheck | None = Field(default=None, exclude_if=lambda check: check is None)
    """None, and not in JSON, if the table has no `time`."""
    findings: list[Finding] = Field(default_factory=list)

    @property
    def sentences(self) -> list[str]:
        """What is known about the file, and every finding."""
        return [*([self.note] if self.note else []), *(item.sentence for item in self.findings)]

    def to_metrics(self) -> dict[str, float]:
        """The metrics of the MLflow run."""
        metrics = {"data_findings": float(len(self.findings))}
        if self.order:
            metrics |= {"data_order_auc": self.order.auc.value, "data_order_runs": self.order.runs}
        if self.null:
            metrics |= {"data_null_auc": self.null.auc, "data_null_p_value": self.null.p_value}
        if self.rule:
            metrics["data_rule_auc"] = self.rule.cross_validated_auc
        return metrics


def read_data_check(lake: Lake, run_id: str) -> DataCheck | None:
    """Read the data check of a run; None if the run is of a release without one."""
    key = report_file(run_id, DATA_CHECK)
    return lake.read_model(key, DataCheck) if lake.exists(key) else None
