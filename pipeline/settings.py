"""Settings of stages and commands, from environment variables with the prefix `MLOPS_`.

The field `min_rows` of the section `drift` is the variable `MLOPS_DRIFT__MIN_ROWS`. Unknown
variables with the prefix are refused; those of the predictor (serving/settings.py) are ignored.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from pipeline.errors import SettingsError

PREFIX = "MLOPS_"
DELIMITER = "__"

RENAMED = {
    "MLOPS_DEPLOYMENT__BOOTSTRAP_SAMPLES": "MLOPS_BOOTSTRAP_SAMPLES",
    "MLOPS_PREPROCESS__MAX_REJECTED_SHARE": "MLOPS_PREPROCESS__MAX_REJECTED_FRACTION",
    "MLOPS_FEATURES__VALIDATION_SHARE": "MLOPS_FEATURES__VALIDATION_FRACTION",
    "MLOPS_FEATURES__TEST_SHARE": "MLOPS_FEATURES__TEST_FRACTION",
    "MLOPS_GATES__MIN_CHAMPION_GAIN": "MLOPS_GATES__MIN_ROC_AUC_GAIN",
    "MLOPS_GATES__MIN_RECALL_GAIN_UPPER": "MLOPS_GATES__MIN_RECALL_DIFFERENCE_UPPER",
    "MLOPS_GATES__MIN_BALANCED_ACCURACY_GAIN_UPPER": "MLOPS_GATES__MIN_BALANCED_ACCURACY_DIFFERENCE_UPPER",
    "MLOPS_GATES__MAX_ROUNDING_FLIPS": "MLOPS_GATES__MAX_ROUNDING_FLIP_RATE",
    "MLOPS_GATES__MIN_SUBGROUP_RECALL_UPPER": "MLOPS_GATES__MIN_GROUP_RECALL_UPPER",
    "MLOPS_GATES__MAX_SUBGROUP_ALARM_GAP": "MLOPS_GATES__MAX_GROUP_FALSE_POSITIVE_RATE_GAP",
    "MLOPS_GATES__MAX_MODEL_MEBIBYTES": "MLOPS_GATES__MAX_MODEL_SIZE_MIB",
    "MLOPS_DRIFT__SHARE": "MLOPS_DRIFT__MIN_DRIFTED_FRACTION",
    "MLOPS_DRIFT__P_VALUE": "MLOPS_DRIFT__P_VALUE_THRESHOLD",
    "MLOPS_DRIFT__DISTANCE": "MLOPS_DRIFT__DISTANCE_THRESHOLD",
    "MLOPS_DRIFT__EVIDENTLY_ROWS": "MLOPS_DRIFT__MAX_EVIDENTLY_ROWS",
    "MLOPS_DRIFT__PAGE_ROWS": "MLOPS_DRIFT__REPORT_SAMPLE_ROWS",
    "MLOPS_DEPLOYMENT__LOCK_SECONDS": "MLOPS_DEPLOYMENT__LOCK_TIMEOUT_SECONDS",
    "MLOPS_DEPLOYMENT__SERVE_SECONDS": "MLOPS_DEPLOYMENT__ROLLOUT_TIMEOUT_SECONDS",
    "MLOPS_DEPLOYMENT__WATCH_SECONDS": "MLOPS_DEPLOYMENT__WATCH_PERIOD_SECONDS",
    "MLOPS_DEPLOYMENT__POLL_SECONDS": "MLOPS_DEPLOYMENT__POLL_INTERVAL_SECONDS",
    "MLOPS_DEPLOYMENT__REQUEST_SECONDS": "MLOPS_DEPLOYMENT__REQUEST_TIMEOUT_SECONDS",
    "MLOPS_DEPLOYMENT__MAX_ERRORS": "MLOPS_DEPLOYMENT__MAX_FAILED_PREDICTIONS",
}
"""Variables of earlier releases: they are refused with the name to use now."""

ORIGINAL_FILE = "gdrive:16_IoRl6EUCevWf4_l5orzRLjlnVG-WUd"


def _pairs(value: Any) -> Any:
    """`a=1,b=2` as a dictionary; anything but text as it is."""
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
    return {name.strip(): number.strip() for name, _, number in pairs}


class Section(BaseModel):
    """A group of settings: strict, so that a misspelt field is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class LakeSettings(Section):
    url: str = "file://local/lake"
    """Where the layers lie: `file://FOLDER` (a folder each), or `s3://` or `s3://PREFIX` (a bucket each: PREFIX-bronze...)."""
    endpoint: str | None = None
    """URL of the S3 service; empty for AWS. Keys come from the usual AWS variables."""


class MlflowSettings(Section):
    tracking_uri: str = "sqlite:///local/mlflow.db"
    """The tracking server's URL, or a SQLite file for one machine."""
    artifacts: str = "local/mlartifacts"
    """Folder for artifacts where the tracking URI is a SQLite file; a server keeps its own."""
    port: int = Field(default=5000, ge=1, le=65535)
    """Port of the MLflow UI that `make serve` starts."""
    name: str = "student-performance"
    """Name of the MLflow experiment and of the registered model."""
    timeout_seconds: int = Field(default=20, gt=0)
    """Bound on one request to the server; with the retries, the bound on how long a stage waits for it."""
    retries: int = Field(default=3, ge=0)
    """Further tries of a request that failed."""

    @property
    def longest_seconds(self) -> float:
        """Bound on a request with all its tries and the pauses between them, each double the last."""
        return self.timeout_seconds * (self.retries + 1) + 2.0**self.retries


class IngestSettings(Section):
    source: str = ORIGINAL_FILE
    """`gdrive:ID`, `https://...`, `s3://BUCKET/KEY`, a path, `sample` or `sample:ROWS` (generated)."""
    timeout_seconds: int = Field(default=60, gt=0)
    """Bound on connecting to the source, and on each pause while it sends."""
    max_bytes: int = Field(default=2_000_000_000, gt=0)
    """A source that sends more than this is refused."""


class PreprocessSettings(Section):
    max_rejected_fraction: float = Field(default=0.05, ge=0, le=1)
    """More rejected rows than this share stop the stage."""


class FeaturesSettings(Section):
    validation_fraction: float = Field(default=0.15, gt=0, lt=1)
    """Share of the rows in the validation split."""
    test_fraction: float = Field(default=0.25, gt=0, lt=1)
    """Share of the rows in the test split."""

    @model_validator(mode="after")
    def leave_rows_to_train_on(self) -> FeaturesSettings:
        if self.validation_fraction + self.test_fraction > 0.8:
            raise ValueError(
                "validation_fraction and test_fraction leave less than 20 % of the rows to train on; lower one of them"
            )
        return self


class TrainSettings(Section):
    folds: int = Field(default=5, ge=2)
    """Folds of the outer, reported, cross-validation."""
    repeats: int = Field(default=1, ge=1)
    """Repetitions of the outer cross-validation, each with other folds."""
    min_recall: float = Field(default=0.8, gt=0, le=1)
    """Recall of the positive class that the threshold is chosen for, out of fold."""
    max_rows: int = Field(default=20_000, gt=0)
    """Cross-validation and fitting use a stratified sample of at most this many rows."""


def _gate(bound: float, *stages: str) -> Any:
    """A gate's bound and the stages that judge it; the docstring under the field is the gate's reason."""
    return Field(default=bound, json_schema_extra={"stages": list(stages)})


class GateSettings(Section):
    """The gates: a `min_` gate holds from its bound up, a `max_` gate up to its bound."""

    min_roc_auc: float = _gate(0.65, "evaluate", "validate", "demote")
    """Below this the ranking of students is hardly better than chance."""
    min_recall: float = _gate(0.6, "evaluate", "validate", "demote")
    """A model that misses more failing students than this helps nobody."""
    min_balanced_accuracy: float = _gate(0.6, "evaluate", "validate", "demote")
    """Keeps a model from reaching its recall by calling everybody at risk."""
    min_roc_auc_lower: float = _gate(0.5, "evaluate", "validate")
    """The lower end of the interval: the test set itself must rule out chance."""
    max_onnx_difference: float = _gate(1e-5, "evaluate", "validate")
    """The served model must answer as the trained one does."""
    min_roc_auc_gain: float = _gate(0.001, "validate")
    """An equal is not worth a change: on the same rows the ROC AUC must be this much above the champion's."""
    min_recall_difference_upper: float = _gate(0, "validate")
    """Upper end of the interval of the recall minus the champion's: below zero the candidate surely misses more."""
    min_balanced_accuracy_difference_upper: float = _gate(0, "validate")
    """The same of the balanced accuracy: a better ranking must not come with surely worse answers."""
    max_calibration_error: float = _gate(0.08, "validate")
    """Mean gap between predicted and observed share of positives over bands of probability: people read it as a risk."""
    min_expected_effect: float = _gate(0.01, "validate")
    """Mean rise of the probability that each of columns.EXPECTATIONS must show: what is known is learned the right way round."""
    max_rounding_flip_rate: float = _gate(0.1, "validate")
    """Share of rows answered otherwise when numbers change by less than they are recorded with: no answer hangs on rounding."""
    min_group_recall_upper: float = _gate(0.5, "validate")
    """Upper end of the interval of the recall in the group with the least: below it, a group surely is not served."""
    max_group_false_positive_rate_gap: float = _gate(0.3, "validate")
    """Most by which a group's share of false alarms surely exceeds that of all: no group is suspected wholesale."""
    max_latency_ratio: float = _gate(10, "validate")
    """Time for one row over the champion's, measured in turns: pods are sized for the champion."""
    max_model_size_mib: float = _gate(32, "validate")
    """Each pod downloads and holds the ONNX file; its memory limit is a few times this."""
    min_signature_match: float = _gate(1, "validate")
    """1 if the model takes exactly the features that the API accepts, in their order, else 0."""
    min_shadow_agreement: float = _gate(0.8, "validate")
    """Share of live rows that the candidate, in the shadow, answers as the champion does: more change needs a person's eye."""


class DriftSettings(Section):
    window_hours: float = Field(default=24, gt=0)
    """Live traffic of this many hours, up to now, is compared with what the production model learned from."""
    min_rows: int = Field(default=200, ge=1)
    """Fewer rows than this, in the reference or now, give no verdict."""
    min_drifted_fraction: float = Field(default=0.2, gt=0, le=1)
    """The data set drifts when at least this share of its features does."""
    numeric_method: Literal["auto", "evidently", "ks", "wasserstein", "jensenshannon"] = "auto"
    """How a number is compared: `evidently` is Evidently's choice by the reference's rows, `auto` that by the smaller side's."""
    categorical_method: Literal["auto", "evidently", "chisquare", "jensenshannon"] = "auto"
    """How a category is compared: as above, but `auto` takes a distance where Evidently takes its chi-square test."""
    p_value_threshold: float = Field(default=0.005, gt=0, lt=1)
    """A feature compared by a test drifts when the p-value is below this."""
    distance_threshold: float = Field(default=0.1, gt=0)
    """A feature compared by a distance drifts when it is at least this."""
    thresholds: Annotated[dict[str, float], BeforeValidator(_pairs)] = {}
    """Thresholds of single features, which come before the two above: `age=0.01,course=0.2`."""
    cooldown_hours: float = Field(default=12, ge=0)
    """No retraining is asked for within this many hours of the last one asked for."""
    max_retrainings_per_day: int = Field(default=2, ge=0)
    """At most this many retrainings are asked for in a day (UTC); 0 turns asking off."""
    max_rows: int = Field(default=1_000_000, gt=0)
    """Logged objects are read, in random order, until there are this many rows of the window."""
    max_evidently_rows: int = Field(default=50_000, ge=1_000)
    """With more rows than this on either side, scores come from sorted counts, and Evidently draws its page from a sample."""
    report_sample_rows: int = Field(default=5_000, ge=1_000)
    """Rows of each side in that sample."""


class PredictorClientSettings(Section):
    """How stages reach the predictor; they ignore its other settings (serving/settings.py)."""

    model_config = ConfigDict(extra="ignore")

    url: str = "http://127.0.0.1:8000"
    """URL at which stages reach the predictor."""
    api_key: SecretStr = SecretStr("")
    """API key that POST requests must send (`Authorization: Bearer KEY` or `X-API-Key: KEY`);
    empty for none."""


class DeploymentSettings(Section):
    lock_timeout_seconds: int = Field(default=600, gt=0)
    """A move of `production` that has not ended after this long is taken for dead; the next one finishes it first."""
    rollout_timeout_seconds: float = Field(default=120, gt=0)
    """How long every predictor may take to serve what was promoted, or put back."""
    watch_period_seconds: float = Field(default=5, ge=0)
    """How long the predictors' errors are watched after all of them serve the new version."""
    poll_interval_seconds: float = Field(default=1, gt=0)
    """Pause between two looks at the predictors."""
    request_timeout_seconds: float = Field(default=5, gt=0)
    """Bound on one request to a predictor."""
    max_failed_predictions: int = Field(default=0, ge=0)
    """More failed predictions than this while they are watched, and `previous` is put back."""
    answer_tolerance: float = Field(default=1e-4, gt=0)
    """A live answer may differ from the registry's model by this much: answers are rounded."""
    min_positives: int = Field(default=5, ge=1)
    """A group, or a set of rows new to both models, with fewer positive rows than this is not judged."""
    min_shadow_rows: int = Field(default=200, ge=1)
    """Shadow traffic of fewer rows than this is not judged."""


class Settings(Section):
    """All settings of stages and commands; `Settings.load()` reads the environment."""

    renamed: ClassVar[Mapping[str, str]] = RENAMED

    seed: int = Field(default=20, ge=0)
    """Seed of every random choice: splits, folds, models, bootstrap."""
    bootstrap_samples: int = Field(default=1000, ge=10)
    """Resamples behind each interval; fewer, but at least 200, where there are many rows."""
    code_version: str = "unknown"
    """Version of this code, for lineage; images carry theirs."""
    image: str = "none"
    """Name of the image that runs, for lineage."""
    lake: LakeSettings = LakeSettings()
    mlflow: MlflowSettings = MlflowSettings()
    ingest: IngestSettings = IngestSettings()
    preprocess: PreprocessSettings = PreprocessSettings()
    features: FeaturesSettings = FeaturesSettings()
    train: TrainSettings = TrainSettings()
    gates: GateSettings = GateSettings()
    drift: DriftSettings = DriftSettings()
    deployment: DeploymentSettings = DeploymentSettings()
    predictor: PredictorClientSettings = PredictorClientSettings()

    @model_validator(mode="after")
    def leave_time_to_promote(self) -> Settings:
        if self.deployment.lock_timeout_seconds < 2 * self.mlflow.longest_seconds:
            raise ValueError(
                f"MLOPS_DEPLOYMENT__LOCK_TIMEOUT_SECONDS is {self.deployment.lock_timeout_seconds}, but one request to MLflow may take "
                f"{self.mlflow.longest_seconds:g} s with its retries: make it at least twice that"
            )
        return self

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings from the environment.

        Args:
            environment: The variables; this process's own if None.

        Raises:
            SettingsError: If a variable is unknown, malformed, or contradicts another.
        """
        present = os.environ if environment is None else environment
        known = variables(cls)
        cls._check_names(present, known)
        try:
            return cls(**_nested({name: present[name] for name in known if name in present}))
        except ValidationError as error:
            raise SettingsError("; ".join(_sentences(error))) from None

    @classmethod
    def _check_names(cls, present: Iterable[str], known: Collection[str]) -> None:
        """Raise SettingsError for a variable that was renamed or does not exist."""
        ignored = tuple(_ignored_prefixes(cls))
        for name in sorted(present):
            if name in cls.renamed:
                raise SettingsError(f"{name} was renamed to {cls.renamed[name]}: set that instead")
            if name.startswith(PREFIX) and name not in known and not name.startswith(ignored):
                near = difflib.get_close_matches(name, known, n=1)
                hint = (
                    f"did you mean {near[0]}?"
                    if near
                    else "`python -m pipeline settings` lists those that are."
                )
                raise SettingsError(f"{name} is not a setting; {hint}")


def variables(settings: type[Settings] = Settings) -> dict[str, tuple[str, Any]]:
    """Return every environment variable of a settings class.

    Returns:
        Name of the variable -> (description, default).
    """
    return {PREFIX + DELIMITER.join(path).upper(): facts for path, facts in _fields(settings)}


def _ignored_prefixes(settings: type[Settings]) -> Iterator[str]:
    """Prefixes of the sections whose unknown variables belong to another program."""
    for name, info in settings.model_fields.items():
        if isinstance(info.default, Section) and info.default.model_config["extra"] == "ignore":
            yield PREFIX + name.upper() + DELIMITER


def _fields(model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], tuple[str, Any]]]:
    for name, info in model.model_fields.items():
        if isinstance(info.default, Section):
            for path, facts in _fields(type(info.default)):
                yield (name, *path), facts
        else:
            yield (name,), (" ".join((info.description or "").split()), info.default)


def current_values(section: Section, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every variable with its value in force."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from current_values(value, (*path, name))
        else:
            yield PREFIX + DELIMITER.join((*path, name)).upper(), value


def _nested(flat: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, field = name.removeprefix(PREFIX).lower().split(DELIMITER)
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[field] = value
    return tree


def _sentences(error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        name = PREFIX + DELIMITER.join(str(part) for part in item["loc"]).upper()
        sentence = item["msg"].removeprefix("Value error, ")
        yield (
            sentence
            if isinstance(item["input"], dict)
            else f"{name} is {item['input']!r}: {sentence}"
        )


def path_from_file_url(url: str) -> Path:
    """The folder of a `file://` URL, relative ones taken from the working directory."""
    return Path(url.removeprefix("file://"))
