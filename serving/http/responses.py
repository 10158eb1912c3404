"""What the API answers where nothing is wrong: models for the OpenAPI document and for `/model`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pipeline.columns import LABEL
from pipeline.model.bundle import Lineage
from pipeline.storage.artifacts import GateResult, Interval


class Answered(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(extra="forbid")


class Explanation(Answered):
    """Exact Shapley values: `base` and all `contributions` add up to the fail probability."""

    base: float = Field(
        description="Mean fail probability of the background sample, before anything is known of the student"
    )
    contributions: dict[str, float] = Field(description="What each feature adds to it")


class Prediction(Answered):
    label: str = Field(json_schema_extra={"enum": [LABEL.negative, LABEL.positive]})
    fail_probability: float = Field(ge=0, le=1, description=f"Probability of `{LABEL.positive}`")
    explanation: Explanation | None = Field(default=None, description="Only with `?explain=true`")


class ModelName(Answered):
    """The model that answered."""

    name: str
    version: str
    run_id: str = Field(description="MLflow run that trained it")


class Answer(Answered):
    """Predictions in the order of the rows."""

    predictions: list[Prediction]
    threshold: float = Field(
        description=f"A fail probability of at least this is answered as `{LABEL.positive}`"
    )
    model: ModelName


class Shadow(Answered):
    """How the version with the shadow alias would have answered the same traffic."""

    version: str
    rows: int
    agreement: float | None = Field(
        description="Share of the rows with the same label; null before the first row"
    )
    latency_ratio: float | None = Field(description="Its scoring time over the served model's")


class ModelFacts(ModelName):
    """What this process serves."""

    alias: str | None = Field(
        description="The registry's alias it was taken by; null if from the lake's models/"
    )
    source: str
    family: str
    created: str
    since: str = Field(description="When this process began to serve it")
    threshold: float
    features: list[str]
    lineage: Lineage
    metrics: dict[str, Interval]
    gates: list[GateResult]
    shadow: Shadow | None
