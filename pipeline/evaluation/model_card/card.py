"""The text of a model card: its use, its quality, its data, and what was decided about it.

Reference: Mitchell et al., Model Cards for Model Reporting, Proceedings of the Conference on
Fairness, Accountability, and Transparency (2019). The card has every section of theirs.
"""

from __future__ import annotations

from pipeline.card_status import Status
from pipeline.columns import LABEL, SUBJECTS
from pipeline.evaluation.model_card import choice, groups, measured, provenance, use
from pipeline.evaluation.model_card.measured import Findings
from pipeline.evaluation.model_card.publication import Publication
from pipeline.evaluation.result import EvaluationResult
from pipeline.reporting.document import Block, Heading, Links, Table
from pipeline.storage.layout import (
    DATA_CHECK_PAGE,
    DRIFT_PAGE,
    HUGGING_FACE_CARD,
    MODEL_CARD_HTML,
    VALIDATION_PAGE,
    report_file,
)
from pipeline.times import format_time


def title(result: EvaluationResult) -> str:
    """The title of the card."""
    return f"Model card: {result.manifest.name}, run {result.manifest.lineage.pipeline_run_id}"


def blocks(result: EvaluationResult, findings: Findings, publication: Publication) -> list[Block]:
    """Write the content of the card, from top to bottom.

    Args:
        result: The evaluation.
        findings: Sentences about what the model learned.
        publication: Who answers for the model, and its predecessors.
    """
    return [
        Links(
            {
                "Deployment gates": VALIDATION_PAGE,
                "Data check": DATA_CHECK_PAGE,
                "Latest drift check": f"../{DRIFT_PAGE}",
                "Card for the Hugging Face Hub": HUGGING_FACE_CARD,
            }
        ),
        Status(result.decision, result.passed, _explain_copies(result)),
        *_model(result),
        *use.describe_use(result),
        *use.describe_affected(result, publication),
        *use.describe_factors(),
        *measured.describe_quality(result, findings),
        *measured.describe_gates(result),
        *choice.describe_threshold(result),
        *measured.describe_champion(result),
        *groups.describe_groups(result),
        *measured.describe_effects(findings),
        *choice.describe_selection(result),
        *use.describe_ethics(result),
        *use.describe_caveats(result),
        *provenance.describe_data(result),
        *provenance.describe_versions(result, publication),
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
            f"{manifest.threshold:.4g}: {SUBJECTS} with at least this probability are predicted "
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
    ]
    return [Heading("Model"), Table((), facts)]
