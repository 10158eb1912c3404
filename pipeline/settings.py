"""The settings of stages and commands, by section.

`Settings.load()` reads them from environment variables (environment.py). The predictor's own
settings are in serving/settings.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    create_model,
    model_validator,
)

from pipeline.environment import EnvironmentSettings, Section
from pipeline.gate_table import GATES
from pipeline.renamed_settings import RENAMED

ORIGINAL_FILE = "gdrive:16_IoRl6EUCevWf4_l5orzRLjlnVG-WUd"
"""The survey file on Google Drive."""
MIN_KEY_SECRET_LENGTH = 16
"""With fewer characters, a secret could be guessed."""
MAX_SHADOW_WAIT_SECONDS = 5_400
"""Longest time that `validate` may wait; Airflow ends a task after two hours (dags/pods.py)."""


def _parse_pairs(value: Any) -> Any:
    """Parse `a=1,b=2` into a dictionary; return anything but text unchanged."""
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
    return {name.strip(): number.strip() for name, _, number in pairs}


class LakeSettings(Section):
    url: str = "file://local/lake"
    """Location of the data lake: `file://FOLDER` (one folder per layer), or `s3://` or `s3://PREFIX`
    (one bucket per layer: PREFIX-bronze and so on)."""
    endpoint: str | None = None
    """URL of the S3 service; empty for AWS. The keys come from the standard AWS variables."""

    @property
    def is_s3(self) -> bool:
        return self.url.startswith("s3://")

    @property
    def bucket_prefix(self) -> str:
        """PREFIX of the URL `s3://PREFIX`; it may be empty."""
        return self.url.removeprefix("s3://").strip("/")

    @property
    def folder(self) -> Path | None:
        """The folder of a lake on disk, which may be relative; None for another lake."""
        return Path(self.url.removeprefix("file://")) if self.url.startswith("file://") else None


class MlflowSettings(Section):
    tracking_uri: str = "sqlite:///local/mlflow.db"
    """URL of the tracking server, or a SQLite file on one machine."""
    artifacts: str = "local/mlartifacts"
    """Folder for artifacts if the tracking URI is a SQLite file. A server has its own location."""
    port: int = Field(default=5000, ge=1, le=65535)
    """Port of the MLflow UI that `make serve` starts."""
    name: str = ""
    """Name of the MLflow experiment and of the registered model. By default it is made from the
    title in the columns file: `student-performance` for the survey."""
    timeout_seconds: int = Field(default=20, gt=0)
    """Timeout of one request to the tracking server."""
    retries: int = Field(default=3, ge=0)
    """Number of times a failed request is repeated."""

    @property
    def model_name(self) -> str:
        """The name that is set, or the one made from the title in the columns file."""
        from pipeline import columns  # commands that need no name work without a columns file

        return self.name or columns.MODEL_NAME

    @property
    def max_request_seconds(self) -> float:
        """Longest time that a request can take: every attempt, and the pauses between them.

        Each pause is twice as long as the one before.
        """
        return self.timeout_seconds * (self.retries + 1) + 2.0**self.retries


class IngestSettings(Section):
    source: str = ORIGINAL_FILE
    """Data source: `gdrive:ID`, `https://...`, `s3://BUCKET/KEY`, a path (only if the lake is on
    disk), or `sample` or `sample:ROWS` for generated rows."""
    timeout_seconds: int = Field(default=60, gt=0)
    """Timeout for connecting to the source, and for each pause while it sends."""
    max_bytes: int = Field(default=2_000_000_000, gt=0)
    """Largest file that is accepted, in bytes."""
    extra_columns: Literal["keep", "drop", "refuse"] = "drop"
    """What happens to columns of the source that the columns file does not have. `drop` stores the
    file without them and lists them, `keep` stores them in bronze, where no stage reads them, and
    `refuse` stops the run."""
    key_secret: SecretStr = SecretStr("")
    """Secret from which the pseudonyms of the column `key` are computed, at least 16 characters.
    Empty for a generated one next to the lake, if the lake is on disk. With another secret, persons
    are not recognised in earlier data."""

    @model_validator(mode="after")
    def _check_key_secret(self) -> IngestSettings:
        length = len(self.key_secret.get_secret_value())
        if 0 < length < MIN_KEY_SECRET_LENGTH:
            raise ValueError(
                f"MLOPS_INGEST__KEY_SECRET has {length} characters, and could be guessed; it needs "
                f"at least {MIN_KEY_SECRET_LENGTH}"
            )
        return self


class PreprocessSettings(Section):
    max_rejected_fraction: float = Field(default=0.05, ge=0, le=1)
    """Largest fraction of rows that may be rejected; the stage fails if there are more."""


class FeaturesSettings(Section):
    validation_fraction: float = Field(default=0.15, gt=0, lt=1)
    """Fraction of the rows in the validation split."""
    test_fraction: float = Field(default=0.25, gt=0, lt=1)
    """Fraction of the rows in the test split."""

    @model_validator(mode="after")
    def _check_train_fraction(self) -> FeaturesSettings:
        if self.validation_fraction + self.test_fraction > 0.8:
            raise ValueError(
                f"MLOPS_FEATURES__VALIDATION_FRACTION ({self.validation_fraction:g}) and "
                f"MLOPS_FEATURES__TEST_FRACTION ({self.test_fraction:g}) leave less than 20 % of "
                "the rows to train on; lower one of them"
            )
        return self


class TrainSettings(Section):
    folds: int = Field(default=5, ge=2)
    """Number of folds of the outer cross-validation, whose results are reported."""
    repeats: int = Field(default=1, ge=1)
    """Number of times the outer cross-validation is repeated with other folds."""
    selection_repeats: int = Field(default=2, ge=1)
    """Number of times the cross-validation that selects the candidate and the threshold is
    repeated with other folds, so that the choice depends less on one split."""
    threshold_purpose: Literal["cost", "recall", "capacity"] = "cost"
    """What the threshold is chosen for. `cost` weighs a missed positive row against a needless
    warning, `recall` finds a fraction of the positive rows, `capacity` flags a fraction of all
    rows. If it is not set, the one of `MISSED_COST`, `MIN_RECALL` and `CAPACITY` that is set
    chooses the purpose. The default depends least on how the rows were split."""
    missed_cost: float | None = Field(default=None, gt=0)
    """Cost of a missed positive row, in needless warnings, if the purpose of the threshold is
    `cost`. With N, every row with a probability of at least 1/(N + 1) is flagged. Empty for the
    number of negative rows per positive row: then nobody is flagged whose risk is below average."""
    min_recall: float = Field(default=0.8, gt=0, le=1)
    """Out-of-fold recall of the positive class that the threshold is chosen to reach if its purpose
    is `recall`."""
    capacity: float = Field(default=0.3, gt=0, le=1)
    """Fraction of the rows that can be flagged if the purpose of the threshold is `capacity`."""
    max_rows: int = Field(default=20_000, gt=0)
    """Largest number of rows for cross-validation and fitting; more are sampled, stratified."""

    @model_validator(mode="before")
    @classmethod
    def _infer_purpose(cls, values: Any) -> Any:
        """Take the purpose of the threshold from the number that was set, if it is not set itself.

        Settings and reports of earlier releases have only `min_recall`.
        """
        if not isinstance(values, Mapping) or "threshold_purpose" in values:
            return values
        numbers = {"min_recall": "recall", "missed_cost": "cost", "capacity": "capacity"}
        purposes = [purpose for name, purpose in numbers.items() if name in values]
        if len(purposes) > 1:
            raise ValueError(
                f"the threshold cannot be chosen for {' and '.join(purposes)}: set "
                "MLOPS_TRAIN__THRESHOLD_PURPOSE to one of them"
            )
        return {**values, "threshold_purpose": purposes[0]} if purposes else values


if TYPE_CHECKING:

    class GateSettings(Section):
        """Bounds of the gates."""

        def __getattr__(self, name: str) -> float: ...

else:
    GateSettings = create_model(
        "GateSettings",
        __base__=Section,
        __doc__="Bounds of the gates: one field per row of gate_table.py.",
        **{gate.name: (float, Field(gate.bound, description=gate.reason)) for gate in GATES},
    )


class CardSettings(Section):
    contact: str = ""
    """Who answers questions about the model and objections to its predictions: a name with an
    address. The model card shows it."""
    license: str = ""
    """License of the trained models, as an identifier of the Hugging Face Hub such as `cc-by-4.0`;
    empty if none is given."""


class DriftSettings(Section):
    window_hours: float = Field(default=24, gt=0)
    """Length of the window of recent live traffic that is compared with the training data."""
    live_retention_days: int = Field(default=90, ge=0)
    """Days after which the drift check deletes logged live traffic; 0 keeps it."""
    min_rows: int = Field(default=200, ge=1)
    """Fewest rows of training data, and of live traffic, that a verdict needs."""
    max_false_positive_rate: float = Field(default=0.002, gt=0, le=0.1)
    """Largest probability that a check of rows without drift reports drift."""
    numeric_method: Literal["ks", "wasserstein", "jensenshannon", "evidently"] = "ks"
    """Method that compares numeric features. `evidently` chooses as Evidently does, by the number
    of reference rows."""
    categorical_method: Literal["chisquare_2samp", "chisquare", "jensenshannon", "evidently"] = (
        "chisquare_2samp"
    )
    """Method that compares categorical features. `chisquare` is Evidently's test, which treats the
    frequencies of the reference as exact."""
    min_effect: float = Field(default=0.02, ge=0, lt=1)
    """A feature compared by a test drifts only if the fraction of rows with certain values changes
    by at least this."""
    distance_threshold: float = Field(default=0.1, gt=0)
    """A feature compared by a distance drifts if the distance is at least this."""
    thresholds: Annotated[dict[str, float], BeforeValidator(_parse_pairs)] = Field(default={})
    """Thresholds of single features: `age=0.0001,course=0.2`. These features decide by themselves:
    their p-values are not adjusted, and the test of all features together leaves them out."""
    cooldown_hours: float = Field(default=12, ge=0)
    """Shortest time between two requests for retraining."""
    max_retrainings_per_day: int = Field(default=2, ge=0)
    """Largest number of requests for retraining per day (UTC); 0 disables them."""
    max_rows: int = Field(default=1_000_000, gt=0)
    """Largest number of rows read from the window; with more, logged objects are chosen at
    random."""
    max_evidently_rows: int = Field(default=50_000, ge=1_000)
    """Largest number of rows per side that Evidently scores. With more, the pipeline computes the
    scores itself, from sorted counts, and Evidently's page shows a sample."""
    report_sample_rows: int = Field(default=5_000, ge=1_000)
    """Number of rows per side in that sample."""


class PredictorClientSettings(Section):
    """How stages reach the predictor; they ignore its other settings (serving/settings.py)."""

    model_config = ConfigDict(extra="ignore")

    url: str = "http://127.0.0.1:8000"
    """URL at which stages reach the predictor."""
    api_key: SecretStr = SecretStr("")
    """API key that POST requests must send (`Authorization: Bearer KEY` or `X-API-Key: KEY`);
    empty for none."""
    require_record: bool = True
    """Serve a version of `production` only if a promotion record moved it there, and fail the drift
    check if one did not. Set it to false if another program moves the alias."""


class DeploymentSettings(Section):
    lock_timeout_seconds: int = Field(default=600, gt=0)
    """Time after which an unfinished move of the `production` alias counts as dead; the next move
    completes it first."""
    rollout_timeout_seconds: float = Field(default=120, gt=0)
    """How long all predictors may take to serve a version that was promoted or rolled back to."""
    watch_period_seconds: float = Field(default=5, ge=0)
    """How long the predictors' error counts are watched once all of them serve the new version."""
    poll_interval_seconds: float = Field(default=1, gt=0)
    """Pause between two polls of the predictors."""
    request_timeout_seconds: float = Field(default=5, gt=0)
    """Timeout of one request to a predictor."""
    max_failed_predictions: int = Field(default=0, ge=0)
    """Largest number of failed predictions in the watch period; with more, `previous` is put back
    into production."""
    answer_tolerance: float = Field(default=1e-4, gt=0)
    """Largest difference between a live probability and the registered model's: live
    probabilities are rounded."""
    min_positives: int = Field(default=5, ge=1)
    """Fewest positive rows that a group, or the rows new to both models, must have to be judged."""
    refresh_margin: float = Field(default=0.02, ge=0, lt=0.5)
    """Loss in ROC AUC that is accepted when the champion's own recipe was trained on newer data:
    the new model is promoted if it is not worse by this. Challenges that are open keep theirs."""
    min_shadow_rows: int = Field(default=200, ge=1)
    """Fewest rows of shadow traffic that the gate on shadow agreement needs."""
    shadow_wait_seconds: float = Field(default=0, ge=0, le=MAX_SHADOW_WAIT_SECONDS)
    """How long `validate` waits for `MIN_SHADOW_ROWS` rows of shadow traffic if there is a
    champion; 0 to judge what there is. At most 1.5 hours, because Airflow ends a task after 2."""


class Settings(EnvironmentSettings):
    """All settings of stages and commands; `Settings.load()` reads the environment."""

    renamed: ClassVar[Mapping[str, str]] = RENAMED

    seed: int = Field(default=20, ge=0)
    """Seed of every random choice: splits, folds and models."""
    columns: str = ""
    """Columns file, which describes the data; empty for the survey's (pipeline/columns.yaml)."""
    code_version: str = "unknown"
    """Version of this code, recorded as lineage. Images set it."""
    image: str = "none"
    """Name of the running image, recorded as lineage."""
    lake: LakeSettings = LakeSettings()
    mlflow: MlflowSettings = MlflowSettings()
    ingest: IngestSettings = IngestSettings()
    preprocess: PreprocessSettings = PreprocessSettings()
    features: FeaturesSettings = FeaturesSettings()
    train: TrainSettings = TrainSettings()
    gates: GateSettings = GateSettings()
    card: CardSettings = CardSettings()
    drift: DriftSettings = DriftSettings()
    deployment: DeploymentSettings = DeploymentSettings()
    predictor: PredictorClientSettings = PredictorClientSettings()

    @model_validator(mode="after")
    def _check_lock_timeout(self) -> Settings:
        if self.deployment.lock_timeout_seconds < 2 * self.mlflow.max_request_seconds:
            raise ValueError(
                "MLOPS_DEPLOYMENT__LOCK_TIMEOUT_SECONDS is "
                f"{self.deployment.lock_timeout_seconds}, but one request to MLflow can take "
                f"{self.mlflow.max_request_seconds:g} s with its retries; set it to at least twice "
                "that"
            )
        return self
