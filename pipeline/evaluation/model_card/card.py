"""The text of a model card: its use, its quality, its data, and what was decided about it.

Reference: Mitchell et al., Model Cards for Model Reporting (FAT* 2019).
"""

from __future__ import annotations

from pipeline.card_status import Status
from pipeline.columns import FEATURES, LABEL, SUBJECT, SUBJECTS, Category, Feature
from pipeline.data_check.summary import list_measurements
from pipeline.evaluation.model_card import choice, measured
from pipeline.evaluation.model_card.measured import Findings
from pipeline.evaluation.result import EvaluationResult
from pipeline.reporting.document import (
    Block,
    Heading,
    Links,
    Table,
    Text,
)
from pipeline.storage.layout import (
    DATA_CHECK_PAGE,
    DRIFT_PAGE,
    MODEL_CARD_HTML,
    VALIDATION_PAGE,
    report_file,
)
from pipeline.times import format_time


def title(result: EvaluationResult) -> str:
    """The title of the card."""
    return f"Model card: {result.manifest.name}, run {result.manifest.lineage.pipeline_run_id}"


def blocks(result: EvaluationResult, findings: Findings) -> list[Block]:
    """The content of the card, from top to bottom."""
    return [
        Links(
            {
                "Deployment gates": VALIDATION_PAGE,
                "Data check": DATA_CHECK_PAGE,
                "Latest drift check": f"../{DRIFT_PAGE}",
            }
        ),
        Status(result.decision, result.passed, _explain_copies(result)),
        *_model(result),
        *_use(result),
        *measured.describe_quality(result, findings),
        *measured.describe_gates(result),
        *choice.describe_threshold(result),
        *measured.describe_champion(result),
        *measured.describe_groups(result),
        *measured.describe_effects(findings),
        *choice.describe_selection(result),
        *_data(result),
    ]


def _explain_copies(result: EvaluationResult) -> list[str]:
    """Where the status is kept up to date. The first update replaces this explanation."""
    key = report_file(result.manifest.lineage.pipeline_run_id, MODEL_CARD_HTML)
    return [
        f"The card in the lake, `{key}`, is updated when the version is registered, validated, "
        "promoted or rolled back. Copies elsewhere show the state after the evaluation."
    ]


def _model(result: EvaluationResult) -> list[Block]:
    manifest, training = result.manifest, result.training
    parameters = ", ".join(f"{name} {value}" for name, value in training.parameters.items())
    facts = [
        ("model", f"{training.candidate}, calibrated (Platt)"),
        ("parameters", parameters),
        (
            "threshold",
            f"{manifest.threshold:.4g}: a {SUBJECT} with at least this probability is predicted "
            f"`{LABEL.positive}`",
        ),
        (
            "format",
            "ONNX; its probabilities differ from the trained model's by at most "
            f"{result.onnx_difference:.1g}",
        ),
        ("pipeline run", f"`{manifest.lineage.pipeline_run_id}`"),
        ("MLflow run", f"`{manifest.run_id}`"),
        ("trained", format_time(manifest.created)),
        ("code", f"`{manifest.lineage.code_version}`, image `{manifest.lineage.image}`"),
    ]
    return [Heading("Model"), Table((), facts)]


def _use(result: EvaluationResult) -> list[Block]:
    cases = sum(result.splits[name].positives for name in ("train", "validation"))
    return [
        Heading("Intended use"),
        Text(
            f"The model ranks {SUBJECTS} by the probability of the outcome `{LABEL.positive}` "
            f"({LABEL.description.lower()}), so that help can be offered early to those at risk. "
            f"It must not decide about a {SUBJECT}: most {SUBJECTS} who are predicted "
            f"`{LABEL.positive}` will not {LABEL.positive}. It shows what occurs together with the "
            "outcome, not what causes it."
        ),
        Text(
            f"The model was trained on one data set with {cases:,} cases of `{LABEL.positive}`. "
            f"It knows nothing about {SUBJECTS} unlike those; drift detection reports when recent "
            "traffic differs. A probability is meant as a frequency: of ten "
            f"{SUBJECTS} with a probability of 10 %, one is expected to {LABEL.positive}."
        ),
    ]


def _data(result: EvaluationResult) -> list[Block]:
    lineage = result.manifest.lineage
    columns = [
        (f"`{feature.name}`", feature.description, _accepted(feature)) for feature in FEATURES
    ]
    splits = [
        (name, f"{split.rows:,}", f"{split.positives:,}", f"`{split.sha256}`")
        for name, split in result.splits.items()
    ]
    layers = [("bronze", f"`{lineage.bronze}`"), ("silver", f"`{lineage.silver}`")]
    return [
        Heading("Data"),
        Table(("feature", "meaning", "accepted"), columns),
        *_data_check(result),
        Table(("split", "rows", LABEL.positive, "SHA-256"), splits, numeric=(1, 2)),
        Table(("made from", "SHA-256"), layers),
    ]


def _data_check(result: EvaluationResult) -> list[Block]:
    if result.data_check is None:
        return []
    return [Table(("data check", "result"), list(list_measurements(result.data_check)))]


def _accepted(feature: Feature) -> str:
    """The values that the API accepts."""
    if isinstance(feature, Category):
        return ", ".join(feature.codes)
    return f"{feature.low:g} to {feature.high:g} {feature.unit}"
