"""The report of `train`, and what it contains."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pipeline.settings.training import TrainSettings
from pipeline.storage.artifacts.base import Artifact, Interval


class TrainInputs(Artifact):
    """Everything that determines the result of `train`."""

    gold: dict[str, str]
    """SHA-256 of each split."""
    seed: int
    code_version: str
    settings: TrainSettings


class LabelStability(Artifact):
    """How many predicted labels depend on which rows the model was trained on."""

    refits: int
    """Fits of the selected candidate and its threshold on subsets of the rows."""
    fraction: float = 0.8
    """Fraction of the rows in each subset."""
    rows: int
    changed: int
    """Rows that get another label from at least one refit."""
    mean_changed: float
    """Mean fraction of the rows that get another label from a refit."""

    @property
    def sentence(self) -> str:
        """The result in a sentence without a full stop."""
        return (
            f"The label of {self.changed:,} of {self.rows:,} rows ({self.changed / self.rows:.1%}) "
            f"depends on which rows the model was trained on: at least one of {self.refits} refits "
            f"on {self.fraction:.0%} of them predicts the other label. A refit changes "
            f"{self.mean_changed:.1%} of the labels on average"
        )


class Ablation(Artifact):
    """What the selected candidate loses without some of its features."""

    features: list[str]
    roc_auc_cost: Interval
    """ROC AUC with all features minus that without these, as the mean over the outer folds."""

    @property
    def verdict(self) -> str:
        """What the interval shows."""
        if self.roc_auc_cost.low > 0:
            return "ranks worse without"
        return "ranks better without" if self.roc_auc_cost.high < 0 else "no benefit shown"


class AllRows(Artifact):
    """How a model of all training rows compares with the candidate that a sample selected."""

    candidate: str
    """Name of the model of all rows."""
    learned: int
    """Rows of the train split that it learned from."""
    compared_with: str
    """Name of the candidate that learned from the sample."""
    measured: int
    """Rows of the validation split on which both were compared."""
    roc_auc_gain: Interval
    """ROC AUC of the model of all rows minus that of the other."""

    @property
    def is_selected(self) -> bool:
        """Whether the model of all rows replaces the other."""
        return self.roc_auc_gain.low > 0

    @property
    def sentence(self) -> str:
        """The comparison in sentences, the last one without a full stop."""
        outcome = "replaces it" if self.is_selected else "does not replace it"
        return (
            f"On {self.measured:,} validation rows, the ROC AUC of {self.candidate} on "
            f"{self.learned:,} training rows minus that of {self.compared_with} on the sample is "
            f"{self.roc_auc_gain}, so it {outcome}"
        )


class RowsUsed(Artifact):
    """How many rows a training used: fewer than there are, if there are many."""

    compared: int
    """Rows that the candidates were compared on."""
    repeats: int
    """Number of times that this comparison was made, with other folds."""
    train: int
    """Rows of the train split."""
    fitted: int
    """Rows that the final model learned from."""
    available: int
    """Rows of the train and validation splits."""
    all_rows: AllRows | None = None
    """A model of all rows, if there are more than the candidates learned from."""

    @property
    def sentence(self) -> str:
        """How many rows were used, without a full stop; empty if it was all of them."""
        if (self.compared, self.fitted) == (self.train, self.available):
            return ""
        learned = (
            f"learned from {self.fitted:,} of the {self.available:,} rows for training and "
            "validation"
        )
        if self.all_rows is None:
            return (
                f"The candidate was selected on {self.compared:,} of {self.train:,} training rows, "
                f"and {learned}"
            )
        return (
            f"The candidates were compared on {self.compared:,} of {self.train:,} training rows. "
            f"{self.all_rows.sentence}. The final model {learned}. Cross-validation and baselines "
            f"measure {self.all_rows.compared_with}"
        )


class TrainReport(Artifact):
    """Result of `train`."""

    family: str
    candidate: str
    parameters: dict[str, Any]
    threshold: float
    ranking: dict[str, float]
    """Mean ROC AUC of each candidate in the inner cross-validation, best first."""
    standard_error: float = 0.0
    """Standard error of the best mean; the simplest candidate within it is selected."""
    rows_used: RowsUsed | None = None
    baselines: dict[str, dict[str, Interval]] = Field(default_factory=dict)
    """Metrics of simple predictors on the same outer folds, by name."""
    rule: str = ""
    """The best rule of at most two conditions."""
    gain_over_rule: dict[str, Interval] = Field(default_factory=dict)
    """ROC AUC and balanced accuracy in cross-validation, minus those of the best short rule."""
    cross_validation: dict[str, Interval]
    validation: dict[str, Interval]
    stability: LabelStability | None = None
    ablations: list[Ablation] = Field(default_factory=list)
    """What leaving out sensitive features costs; empty without sensitive features."""
    libraries: dict[str, str] = Field(default_factory=dict)
    """Versions of Python and of the packages that the model was made with, by name."""
    onnx_difference: float
    out_of_fold: str
    """SHA-256 of the out-of-fold predictions."""
    inputs: TrainInputs
    mlflow_run_id: str
    model_uri: str

    @property
    def comparison_with_rule(self) -> str:
        """Whether the selection beats the best short rule, in a sentence without a full stop."""
        gain = self.gain_over_rule.get("roc_auc")
        if gain is None:
            return ""
        verdict = "beats" if gain.low > 0 else "does not beat"
        return (
            f"The selection {verdict} the rule `{self.rule}` with 95 % confidence: ROC AUC "
            f"{gain.signed}, balanced accuracy {self.gain_over_rule['balanced_accuracy'].signed}"
        )
