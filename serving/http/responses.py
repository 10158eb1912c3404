"""Models of successful responses, for the OpenAPI document and for `/model`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.columns import LABEL, PROBABILITY, PROBABILITY_FIELDS
from pipeline.model.bundle import Lineage
from pipeline.storage.artifacts.base import Interval
from pipeline.storage.artifacts.gates import GateResult
from serving.http.problems import StopFacts


class ResponseModel(BaseModel):
    model_config = ConfigDict(extra="forbid")


EXPLAINED = "Only with `?explain=true`"
MAX_PROBABILITY_FEATURES = 10
"""Most features of a model whose probability is explained. It needs all 2^n coalitions, and 2^10
with 100 rows each are the most that a request should wait for."""
Scale = Literal["probability", "log_odds"]


class Explanation(ResponseModel):
    """Exact Shapley values: `base` plus all `contributions` is the prediction on the `scale`."""

    scale: Scale = Field(
        description=f"`probability` for models of up to {MAX_PROBABILITY_FEATURES} features; "
        "above, `log_odds`: the natural logarithm of p / (1 - p), where p is the probability"
    )
    base: float = Field(description="Mean prediction of the background sample on the scale")
    contributions: dict[str, float] = Field(description="How much each feature adds on the scale")


class RangeWarning(ResponseModel):
    """A valid value outside the training data; the probability is not reliable for it."""

    field: str
    value: int | float | str | None = Field(
        description="A number, the name of a category, or null for a blank"
    )
    learned_from: list[int | float | str] = Field(
        description="Smallest and largest number, or names of the categories, in the training rows"
    )


class RowWarning(RangeWarning):
    """A warning for one of several rows."""

    row: int = Field(description="Index of the row in the request, from 0")


def _add_alias(schema: dict[str, Any]) -> None:
    """Describe the other name of the probability, if the columns file has one."""
    for name in PROBABILITY_FIELDS[1:]:
        description = f"`{PROBABILITY}` again, for clients of earlier releases"
        field = schema["properties"][PROBABILITY] | {"title": name, "description": description}
        schema["properties"][name] = field
        schema["required"].append(name)


class PlainPrediction(ResponseModel):
    """A label, and the probability that it was made from."""

    model_config = ConfigDict(json_schema_extra=_add_alias)
    label: str = Field(json_schema_extra={"enum": [LABEL.negative, LABEL.positive]})
    probability: float = Field(ge=0, le=1, description=f"Probability of `{LABEL.positive}`")


class Prediction(PlainPrediction):
    warnings: list[RangeWarning] | None = Field(
        default=None, description="Only if a value is outside what the model learned from"
    )
    explanation: Explanation | None = Field(default=None, description=EXPLAINED)
    stability: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Fraction of the refits, trained on random halves of the training rows, that "
        f"give the same label. {EXPLAINED}, and only if the model has refits",
    )
    unsure: bool | None = Field(
        default=None,
        description="Whether the stability is below `min_stability` of `/model`. Present if "
        "`stability` is",
    )
    verdict: str | None = Field(
        default=None,
        description=f"The label for people: {LABEL.get_title(True)} or {LABEL.get_title(False)}. "
        f"{EXPLAINED}",
    )
    risk: str | None = Field(default=None, description=f"The risk in words. {EXPLAINED}")


class ModelName(ResponseModel):
    """The model that made the predictions."""

    name: str
    version: str
    run_id: str = Field(description="MLflow run that trained it")


class Answer(ResponseModel):
    """Predictions in the order of the rows."""

    predictions: list[Prediction]
    threshold: float = Field(description=f"Probability from which the label is `{LABEL.positive}`")
    model: ModelName


class Shadow(ResponseModel):
    """How the version with the shadow alias compares with the served one on the same traffic."""

    version: str
    rows: int
    agreement: float | None = Field(
        description="Fraction of rows with the same label; null before the first row"
    )
    latency_ratio: float | None = Field(
        description="Its scoring time over that of the served version"
    )


ONLY_PRIVATE = (
    ". Left out if the predictor requires no login and has a separate port for its metrics, which "
    "also has the complete answer"
)


def _is_none(value: object) -> bool:
    return value is None


class ModelFacts(ModelName):
    """The model that this process serves."""

    alias: str | None = Field(
        description="Alias of the version in the registry; null while the registry has not "
        "responded and the copy in the lake's models/ is served"
    )
    source: str | None = Field(
        description="The version in the registry, or the place of its copy in the lake"
        f"{ONLY_PRIVATE}",
        exclude_if=_is_none,
    )
    family: str
    created: str
    since: str = Field(description="When this process began to serve it")
    threshold: float
    features: list[str]
    learned_from: dict[str, list[int | float | str]] = Field(
        description="By feature: smallest and largest number, or names of the categories, in the "
        "training rows; predictions for other values have `warnings`"
    )
    learned_blanks: list[str] = Field(
        description="Names of the features that are blank in some of the training rows"
    )
    importance: dict[str, float] = Field(
        description="By feature, largest first: mean absolute change of the probability of a "
        "training row that gets the feature's value of another row"
    )
    positive_rate: float | None = Field(
        description=f"Fraction of `{LABEL.positive}` in the training rows; null if unknown"
    )
    precision: float | None = Field(
        description=f"Fraction of the rows with the label `{LABEL.positive}` for which it was "
        "right, in cross-validation; null if unknown"
    )
    flagged_below_rate: float | None = Field(
        description=f"Fraction of the training rows with the label `{LABEL.positive}` whose "
        "probability is below `positive_rate`: above 0 if the threshold is below the average "
        "risk; null if unknown"
    )
    refits: int | None = Field(
        description="Number of refits that the stability of a label is computed from; null if "
        "the model has none"
    )
    min_stability: float = Field(description="A label with a lower stability is unsure")
    lineage: Lineage | None = Field(
        description="The data and code that the model was made from" + ONLY_PRIVATE,
        exclude_if=_is_none,
    )
    metrics: dict[str, Interval]
    cautions: list[str] = Field(
        description="What limits the meaning of the metrics: findings of the data check, as "
        "sentences without a full stop"
    )
    gates: list[GateResult]
    shadow: Shadow | None
    stopped: StopFacts | None = Field(
        description="Who stopped all answers; null if predictions are answered"
    )
