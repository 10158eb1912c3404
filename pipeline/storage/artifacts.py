"""Typed models of the JSON documents that pass between stages.

Read and write them with `Lake.read_model` and `Lake.write_model`, at the keys of layout.py.
"""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from pipeline.settings import TrainSettings
from pipeline.storage.lake import to_json_bytes


class Artifact(BaseModel):
    """A frozen JSON document; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_bytes(self) -> bytes:
        """Encode as JSON; equal documents give equal bytes."""
        return to_json_bytes(self.model_dump())


class Interval(Artifact):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    @property
    def signed(self) -> str:
        """The interval of a difference, with signs."""
        value, low, high = (round(end, 3) + 0.0 for end in (self.value, self.low, self.high))
        return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"  # + 0.0 turns -0.0 into 0.0


class Power(Artifact):
    """What a gate's verdict can show with the rows at hand; see evaluation/power.py."""

    refuse_good: float
    """Probability that a good model fails."""
    accept_bad: float
    """Probability that a bad model passes."""
    smallest_gain: float | None = None
    """Smallest distance above the bound at which a model passes with a probability of 80 %; 1 if
    there is none. None if the gate compares an upper end."""
    smallest_loss: float | None = None
    """Smallest distance below the bound at which a model fails with a probability of 80 %; 1 if
    there is none. None unless the gate compares an upper end."""


class GateResult(Artifact):
    """A gate with its value, which must be at least (`min_...`) or at most (`max_...`) `bound`.

    Manifests and promotion records of earlier releases have `why` and `holds`.
    """

    name: str
    bound: float
    reason: str = Field(validation_alias=AliasChoices("reason", "why"))
    value: float | None
    """None if there was nothing to measure; the gate then passes."""
    passed: bool = Field(validation_alias=AliasChoices("passed", "holds"))
    power: Power | None = Field(default=None, exclude_if=lambda power: power is None)
    """None, and not in JSON, if the gate's number has no sampling error or its power is unknown."""


class BronzePointer(Artifact):
    """Raw file that a run ingested."""

    sha256: str
    """SHA-256 of the file as it is stored."""
    source_sha256: str = ""
    """SHA-256 of the file as it was fetched; empty in documents of earlier releases."""
    dropped: list[str] = Field(default_factory=list)
    """Headers of the columns that were not stored."""
    key: str = ""
    """Header of the column whose values were replaced by pseudonyms; empty if there is none."""
    key_secret_id: str = ""
    """Identifier of the secret of the pseudonyms; empty if the table has no key."""
    source: str
    fetched_at: str
    rows: int
    bytes: int


class SourceChanges(Artifact):
    """What the newest raw file has that the columns file does not expect."""

    run_id: str
    missing: list[str]
    """Headers of columns that the file lacks."""
    new_values: dict[str, dict[str, int]]
    """Header of a column -> each unknown category or outcome -> its number of rows."""

    @property
    def sentences(self) -> list[str]:
        """A sentence for the missing columns, and one for each column with new values."""
        where = f"The raw file of run {self.run_id}"
        found = []
        if self.missing:
            names = ", ".join(f"'{name}'" for name in self.missing)
            found.append(f"{where} lacks the column {names}, so it was refused.")
        for column, values in self.new_values.items():
            listed = ", ".join(f"'{value}' ({rows:,} rows)" for value, rows in values.items())
            found.append(
                f"{where} has new values of '{column}': {listed}. Their rows were rejected; add "
                "the values to the columns file, and train again."
            )
        return found


class SilverManifest(Artifact):
    """Result of `preprocess`."""

    bronze: str
    """SHA-256 of the raw file."""
    sha256: str
    """SHA-256 of the rows."""
    rows: int
    rejected: int
    blanks: dict[str, int] = Field(default_factory=dict, exclude_if=lambda blanks: not blanks)
    """Number of blanks in each column that has any."""


class SplitFacts(Artifact):
    """A split of gold."""

    sha256: str
    rows: int
    positives: int
    terms: list[str] = Field(default_factory=list, exclude_if=lambda terms: not terms)
    """The oldest and the newest term; empty, and not in JSON, if the rows have no `time`."""


class GoldManifest(Artifact):
    """Result of `features`."""

    run_id: str
    bronze: str
    silver: str
    splits: dict[str, SplitFacts]
    left_out: int = Field(default=0, exclude_if=lambda count: not count)
    """Older rows of persons or groups in the test split, which are in no split."""
    columns: list[str]
    seed: int
    code_version: str


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
    group_differences: list[GroupDifference] = Field(default_factory=list)
    champion: ChampionReport | None
    evidence: Evidence | None = None
    test_split_models: int | None = None
    """Number of models that were measured on the test split so far."""
    notes: list[str]
    decision: str


class ValidationReport(Artifact):
    """Result of `validate`, which `promote` acts on."""

    run_id: str
    created_at: str
    passed: bool
    candidate: str
    """Version that was validated."""
    champion: str | None
    """Version that it was compared with."""
    production: str | None
    """Version that had the alias `production` then."""
    decision: str
    metrics: dict[str, Interval]
    difference: dict[str, Interval]
    """Candidate minus champion, on the same rows."""
    evidence: Evidence | None = None
    """None without a champion, and in reports of earlier releases."""
    test_split_models: int | None = None
    """Number of models that were measured on the test split so far."""
    notes: list[str]
    gates: list[GateResult]


class VersionCheck(Artifact):
    """A version's results on the newest labelled rows outside its training data."""

    version: str
    rows: int
    positives: int
    gates: list[GateResult] | None
    """None if there were too few positive rows."""


class DemotionReport(Artifact):
    """Result of `demote`."""

    run_id: str
    created_at: str
    gold: str
    """Id of the run that wrote the rows."""
    production: VersionCheck
    previous: VersionCheck | None


class ModelIdentity(Artifact):
    """A model, its registered version (None before registration), and its MLflow run."""

    name: str
    version: str | None
    run_id: str
    pipeline_run_id: str | None = None
    """The run whose reports have the model card; None in reports of earlier releases."""


class TrafficObjects(Artifact):
    """Objects of the traffic log in a time window."""

    found: int
    read: int
    """Fewer than were found if the window has more rows than are compared."""
    unreadable: dict[str, str]
    """Key of each object that was skipped, with the reason."""


class DatasetFacts(Artifact):
    """Where the rows of a drift check came from; fields that do not apply are None."""

    source: str
    """What the rows are, for people."""
    rows: int
    object: str | None = None
    """Key in the lake, or path of a file."""
    sha256: str | None = None
    splits: dict[str, str] | None = None
    """SHA-256 of each gold split, by its key."""
    model: ModelIdentity | None = None
    """The model that learned from the rows."""
    since: str | None = None
    until: str | None = None
    """Window of live traffic, in ISO 8601."""
    versions: dict[str, int] | None = None
    """Number of rows that each model version scored."""
    objects: TrafficObjects | None = None


class RetrainingRequest(Artifact):
    """A request for retraining that drift detection made.

    Requests of earlier releases have `asked_at`.
    """

    run_id: str
    requested_at: str = Field(validation_alias=AliasChoices("requested_at", "asked_at"))
