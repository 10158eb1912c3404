"""The text of a model card: its use, its quality, its data, and what was decided about it.

Reference: Mitchell et al., Model Cards for Model Reporting (FAT* 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.card_status import Status
from pipeline.columns import EXPECTATIONS, FEATURES, LABEL, SUBJECT, SUBJECTS, Category, Feature
from pipeline.data_check.summary import list_measurements
from pipeline.evaluation import gates
from pipeline.evaluation.metric_titles import get_metric_meaning, get_metric_title
from pipeline.evaluation.model_card import choice
from pipeline.evaluation.model_card.figures import FIGURES
from pipeline.evaluation.result import EvaluationResult
from pipeline.gate_table import get_gate
from pipeline.reporting.document import (
    Block,
    Callout,
    Heading,
    Items,
    Links,
    Pictures,
    Table,
    Text,
)
from pipeline.reporting.templates import format_time
from pipeline.storage.artifacts import GroupMetrics
from pipeline.storage.layout import (
    DATA_CHECK_PAGE,
    DRIFT_PAGE,
    MODEL_CARD_HTML,
    VALIDATION_PAGE,
    report_file,
)


def title(result: EvaluationResult) -> str:
    """The title of the card."""
    return f"Model card: {result.manifest.name}, run {result.manifest.lineage.pipeline_run_id}"


@dataclass(frozen=True)
class Findings:
    """Sentences about what the model learned.

    Attributes:
        calibration: How the highest probabilities compare with what happened.
        surprises: Effects that contradict known ones, or have no single direction.
    """

    calibration: Sequence[str]
    surprises: Sequence[str]


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
        *_quality(result, findings),
        *_gates(result),
        *choice.describe_threshold(result),
        *_champion(result),
        *_groups(result),
        *_effects(findings),
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


def _quality(result: EvaluationResult, findings: Findings) -> list[Block]:
    training = result.training
    rows = [
        (
            f"{get_metric_title(name)} `{name}`",
            get_metric_meaning(name),
            str(training.cross_validation[name]),
            str(training.validation[name]),
            str(metric),
        )
        for name, metric in result.metrics.items()
    ]
    return [
        Heading("Quality"),
        Text(
            "Every metric has its 95 % bootstrap interval. Cross-validation is nested: in each "
            "fold every choice was made without the rows that the metrics are computed on. No "
            "choice used the test rows."
        ),
        Table(
            ("metric", "meaning", "cross-validation", "validation", "test"),
            rows,
            numeric=(2, 3, 4),
        ),
        Items(findings.calibration),
        *_notes(result.data_check.sentences if result.data_check else ()),
        _pictures("roc.svg", "precision_recall.svg", "calibration.svg", "confusion.svg"),
    ]


def _gates(result: EvaluationResult) -> list[Block]:
    rows = [
        (f"{_get_gate_title(name)} `{name}`", *cells)
        for name, *cells in gates.tabulate_gates("evaluate", result.gates)
    ]
    return [
        Heading("Gates of training"),
        Callout(result.decision, is_good=result.passed),
        Table(gates.HEADER, rows, numeric=(2, 3), tones=gates.VERDICT_TONES),
        *_notes(result.gate_notes),
    ]


def _get_gate_title(name: str) -> str:
    gate = get_gate(name)
    return gate.title if gate else ""


def _champion(result: EvaluationResult) -> list[Block]:
    heading = Heading("Champion and challenger")
    comparison = result.comparison
    if comparison is None:
        return [
            heading,
            *_notes(result.comparison_notes),
            Text("There is no version in production that the candidate could be compared with."),
        ]
    rows = [
        (
            get_metric_title(name),
            str(comparison.candidate_metrics[name]),
            str(comparison.champion_metrics[name]),
            difference.signed,
        )
        for name, difference in comparison.difference.items()
    ]
    verdict = "better" if result.beats_champion else "not better"
    family = comparison.champion.bundle.manifest.family
    return [
        heading,
        Text(
            f"The champion is version {comparison.version} ({family}). Both models were measured "
            "on the same rows and the same bootstrap resamples. By the gates of `validate` that "
            f"compare it with the champion, the candidate is {verdict}."
        ),
        *_notes(result.comparison_notes),
        Table(
            ("metric", "candidate", f"version {comparison.version}", "difference"),
            rows,
            numeric=(1, 2, 3),
        ),
        _pictures("champion.svg"),
    ]


def _notes(notes: Sequence[str]) -> list[Block]:
    return [Text(f"{note[0].upper()}{note[1:]}.") for note in notes]


def _groups(result: EvaluationResult) -> list[Block]:
    header = (
        "group",
        "test rows",
        LABEL.positive,
        "recall",
        "false positive rate",
        "mean probability",
        f"rate of {LABEL.positive}",
    )
    return [
        Heading("Groups"),
        Text("With so few cases in a group, its recall is a rough estimate."),
        Table(header, [_group(group) for group in result.groups], numeric=range(1, 7)),
    ]


def _group(group: GroupMetrics) -> tuple[str, ...]:
    recall = f"{group.true_positives} of {group.positives}" if group.positives else "no cases"
    negatives = group.rows - group.positives
    false_positives = group.predicted_positive - group.true_positives
    return (
        group.name,
        f"{group.rows:,}",
        f"{group.positives:,}",
        recall,
        f"{false_positives / max(negatives, 1):.0%}",
        f"{group.mean_probability:.1%}",
        f"{group.positives / max(group.rows, 1):.1%}",
    )


def _effects(findings: Findings) -> list[Block]:
    known = [f"Known effect of `{effect.feature}`: {effect.why}." for effect in EXPECTATIONS]
    surprises = findings.surprises or [
        "No effect is surprising: none contradicts a known effect or clearly changes its direction."
    ]
    return [
        Heading("What it learned"),
        Text(
            "Mean predicted probability when one feature is set to each of its values and the "
            "others stay as they are. The band holds the middle 80 % of the rows; the dotted line "
            "is the threshold. An effect shows what the model does, not what causes the outcome."
        ),
        _pictures("feature_effects.svg"),
        Heading("Surprising and known effects"),
        Items([*surprises, *known]),
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


def _pictures(*names: str) -> Pictures:
    return Pictures({name: FIGURES[name] for name in names})


def _accepted(feature: Feature) -> str:
    """The values that the API accepts."""
    if isinstance(feature, Category):
        return ", ".join(feature.codes)
    return f"{feature.low:g} to {feature.high:g} {feature.unit}"
