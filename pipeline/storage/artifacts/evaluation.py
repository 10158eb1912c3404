"""The report of `evaluate`, and what it contains."""

from __future__ import annotations

from pydantic import Field

from pipeline.storage.artifacts.base import Artifact, Interval
from pipeline.storage.artifacts.gates import GateResult


class GroupMetrics(Artifact):
    """A model's results on the rows of a group; a rate without rows is None."""

    name: str
    rows: int
    positives: int
    recall: Interval | None
    false_positive_rate: Interval | None
    positive_rate: Interval
    """Rate of positive rows."""
    mean_probability: float


class GroupDifference(Artifact):
    """A rate in one group minus that in others, which share no row with it."""

    rate: str
    """`recall` or `false positive rate`."""
    group: str
    other: str
    """The group, or groups, that it is compared with."""
    difference: Interval
    """All intervals of a report hold together with 95 % confidence."""
    verdict: str
    detectable: float
    """The smallest difference that is found with a probability of 80 %; 1 if none is."""


class ChampionReport(Artifact):
    """Candidate and champion on the same test rows."""

    version: str
    run_id: str
    is_identical: bool
    candidate_is_better: bool
    """Whether the candidate passes the gates of `validate` that compare it with the champion."""
    champion_metrics: dict[str, Interval]
    candidate_metrics: dict[str, Interval]
    difference: dict[str, Interval]
    """Candidate minus champion."""


class Evidence(Artifact):
    """Evidence of a challenge over all runs; see evaluation/challenges.py."""

    is_refresh: bool
    """Whether the champion's own recipe was trained on newer data."""
    margin: float
    """Loss in ROC AUC that is accepted; 0 unless `is_refresh`."""
    e_value: float
    """Evidence against "the candidate is worse by at least the margin"."""
    number: int
    """Position among the challenges of a year, which share one error rate."""
    corrected: float
    """The e-value, corrected for the number of challenges."""
    looks: int
    """Test splits with rows new to both models."""
    units: int
    """Independent comparisons in all looks, at most one per positive row."""
    new_units: int
    """Independent comparisons in this run's test split."""
    gain: float | None
    """Mean difference in ROC AUC over all units; None without units."""
    std: float | None = None
    """Standard deviation of the units' differences; None without units, and in reports of earlier
    releases."""

    def verdict(self, version: str) -> str:
        """What enough evidence shows about the candidate and a version, for people."""
        if self.is_refresh:
            return (
                f"the recipe of version {version}, trained on newer data, ranks no worse by "
                f"{self.margin:g}"
            )
        return f"it ranks better than version {version}"

    @property
    def sentence(self) -> str:
        """The evidence in a sentence without a full stop."""
        claim = f"is not worse by {self.margin:g}" if self.is_refresh else "is better"
        gain = "no rows yet" if self.gain is None else f"mean difference {self.gain:+.3f}"
        return (
            f"the evidence that the recipe's ROC AUC {claim} is {self.corrected:.3g}: an e-value "
            f"of {self.e_value:.3g} from {self.units:,} independent comparisons on "
            f"{self.looks} test splits ({gain}), corrected for challenge number {self.number} of "
            "the year"
        )


class EvaluationReport(Artifact):
    """Result of `evaluate`."""

    mlflow_run_id: str
    threshold: float
    metrics: dict[str, Interval]
    gates: list[GateResult]
    onnx_difference: float | None
    groups: list[GroupMetrics]
    group_rows: str
    """What the rows are that groups were measured on."""
    group_note: str = ""
    """A sentence about the groups that are too small to be shown; empty if all are shown."""
    group_differences: list[GroupDifference] = Field(default_factory=list)
    champion: ChampionReport | None
    evidence: Evidence | None = None
    test_split_models: int | None = None
    """Number of models that were measured on the test split so far."""
    notes: list[str]
    decision: str
