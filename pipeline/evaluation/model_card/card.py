"""The model card: what a model is for, what it learned from, how well it does and for whom, and what was decided about it.

After Mitchell et al., Model Cards for Model Reporting (FAT* 2019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.columns import EXPECTATIONS, FEATURES, LABEL, SUBJECT, SUBJECTS, Category, Feature
from pipeline.evaluation.model_card.document import Block, Callout, Heading, Pictures, Table, Text
from pipeline.model.bundle import Manifest
from pipeline.storage.artifacts import GateResult, GroupMetrics, Interval, SplitFacts, TrainReport

FIGURES = {
    "threshold.png": "Recall, specificity and balanced accuracy against the threshold",
    "confusion.png": "Confusion matrix of the test rows",
    "roc.png": "ROC curve",
    "precision_recall.png": "Precision against recall",
    "calibration.png": "Observed share of positives against predicted risk",
    "feature_effects.png": "Mean predicted risk against each feature",
    "champion.png": "Metrics of candidate and champion with their intervals",
}
"""What each figure shows."""
VERDICT_TONES = {"holds": "good", "failed": "bad"}


@dataclass(frozen=True)
class ChampionComparison:
    """The champion beside the candidate, on the same test rows."""

    version: str
    run_id: str
    family: str
    ours: Mapping[str, Interval]
    theirs: Mapping[str, Interval]
    gain: Mapping[str, Interval]
    """Ours minus theirs."""
    is_better: bool
    """Whether the candidate is, by the gates that `validate` will hold it to."""
    is_identical: bool
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class EvaluationResult:
    """What evaluation found of a candidate."""

    manifest: Manifest
    metrics: Mapping[str, Interval]
    gates: Sequence[GateResult]
    groups: Sequence[GroupMetrics]
    rival: ChampionComparison | None
    decision: str
    holds: bool
    splits: Mapping[str, SplitFacts]
    trained: TrainReport
    """The report of `train`."""


def title(findings: EvaluationResult) -> str:
    return f"Model card: {findings.manifest.name}, run {findings.manifest.lineage.pipeline_run_id}"


def blocks(found: EvaluationResult) -> list[Block]:
    """The card, top down: decision, model, use, quality, choice, groups, data."""
    return [
        Callout(found.decision, is_good=found.holds),
        *_model(found),
        *_use(found),
        *_quality(found),
        *_threshold(found),
        *_champion(found),
        *_groups(found),
        *_choice(found),
        *_data(found),
    ]


def _model(found: EvaluationResult) -> list[Block]:
    manifest, trained = found.manifest, found.trained
    facts = [
        ("model", f"{trained.candidate}, calibrated (Platt)"),
        ("settings", ", ".join(f"{name} {value}" for name, value in trained.parameters.items())),
        (
            "threshold",
            f"{manifest.threshold:.4g}: a {SUBJECT} of at least this risk is answered `{LABEL.positive}`",
        ),
        (
            "served as",
            f"ONNX; it differs from the trained model by {_difference(found):.1g} at most",
        ),
        ("pipeline run", f"`{manifest.lineage.pipeline_run_id}`"),
        ("MLflow run", f"`{manifest.run_id}`"),
        ("trained", manifest.created),
        ("code", f"`{manifest.lineage.code_version}`, image `{manifest.lineage.image}`"),
    ]
    return [Heading("Model"), Table((), facts)]


def _use(found: EvaluationResult) -> list[Block]:
    learned = sum(found.splits[name].positives for name in ("train", "validation"))
    return [
        Heading("Intended use"),
        Text(
            f"It ranks {SUBJECTS} by the risk of the outcome `{LABEL.positive}` ({LABEL.description.lower()}), so that help can "
            f"be offered early to those at risk. It is not made to decide about a {SUBJECT}: most who are called at risk will "
            f"not {LABEL.positive}, and it says what goes together with the outcome, not what causes it."
        ),
        Text(
            f"It learned from one survey with {learned:,} cases of `{LABEL.positive}`, and knows nothing of {SUBJECTS} unlike "
            "those: the drift check tells when today's are. A risk is meant as a share: of those with a risk of 10 %, one in ten."
        ),
    ]


def _quality(found: EvaluationResult) -> list[Block]:
    rows = [
        (
            name,
            str(found.trained.cross_validation[name]),
            str(found.trained.validation[name]),
            str(metric),
        )
        for name, metric in found.metrics.items()
    ]
    gates = [
        (
            f"`{gate.name}`",
            "nothing to judge" if gate.value is None else f"{gate.value:.4g}",
            f"{gate.bound:.4g}",
            "holds" if gate.passed else "failed",
            gate.reason,
        )
        for gate in found.gates
    ]
    return [
        Heading("Quality"),
        Text(
            "Each figure with its 95 % bootstrap interval. Cross-validation is nested: every choice was made again without the "
            "rows it is measured on. The test rows were seen by no choice at all."
        ),
        Table(("metric", "cross-validation", "validation", "test"), rows, numeric=(1, 2, 3)),
        _pictures("roc.png", "precision_recall.png", "calibration.png", "confusion.png"),
        Heading("Gates"),
        Table(("gate", "value", "bound", "verdict", "why"), gates, (1, 2), VERDICT_TONES),
    ]


def _threshold(found: EvaluationResult) -> list[Block]:
    asked = found.trained.inputs.settings.min_recall
    return [
        Heading("Choice of the threshold"),
        Text(
            f"Of all thresholds that reach a recall of {asked:g} on rows out of fold, the one with the best balanced accuracy: "
            f"{found.manifest.threshold:.4g}. It is low because the outcome is rare: a risk of "
            f"{found.manifest.threshold:.1%} is to be seen beside a mean of {_share(found):.1%}. The figure shows what it costs "
            "on the rows of the outer cross-validation, which had no part in the choice."
        ),
        _pictures("threshold.png"),
    ]


def _champion(found: EvaluationResult) -> list[Block]:
    rival = found.rival
    if rival is None:
        return [
            Heading("Champion and challenger"),
            Text("No version is in production yet: there is nothing to compare with."),
        ]
    rows = [
        (
            name,
            str(rival.ours[name]),
            str(rival.theirs[name]),
            rival.gain[name].signed,
        )
        for name in rival.gain
    ]
    verdict = "better" if rival.is_better else "not better"
    return [
        Heading("Champion and challenger"),
        Text(
            f"The champion is version {rival.version} ({rival.family}). Both were measured on the same rows and resamples; by "
            f"the gates of `validate` the candidate is {verdict}."
        ),
        *(Text(note[0].upper() + note[1:] + ".") for note in rival.notes),
        Table(
            ("metric", "candidate", f"version {rival.version}", "difference"),
            rows,
            numeric=(1, 2, 3),
        ),
        _pictures("champion.png"),
    ]


def _groups(found: EvaluationResult) -> list[Block]:
    rows = [
        (
            group.name,
            f"{group.rows:,}",
            f"{group.positives:,}",
            f"{group.true_positives} of {group.positives}" if group.positives else "none to find",
            f"{(group.predicted_positive - group.true_positives) / max(group.rows - group.positives, 1):.0%}",
            f"{group.mean_probability:.1%}",
            f"{group.positives / max(group.rows, 1):.1%}",
        )
        for group in found.groups
    ]
    header = (
        "group",
        "test rows",
        LABEL.positive,
        "found (recall)",
        "false alarms",
        "mean risk",
        f"share of {LABEL.positive}",
    )
    few = "With so few cases in a group, its recall is a rough figure."
    return [Heading("Groups"), Text(few), Table(header, rows, numeric=(1, 2, 3, 4, 5, 6))]


def _choice(found: EvaluationResult) -> list[Block]:
    ranking = [(name, f"{area:.3f}") for name, area in found.trained.ranking.items()]
    expected = "; ".join(f"{one.feature}: {one.why}" for one in EXPECTATIONS)
    return [
        Heading("What it learned"),
        Text(
            "The mean predicted risk when one feature is set to each of its values in turn, all else as it is; the band holds "
            f"the middle 80 % of the rows, the dotted line is the threshold. Known beforehand: {expected}."
        ),
        _pictures("feature_effects.png"),
        Heading("How it was chosen"),
        Text(
            "Mean ROC AUC over the folds within the training rows; class weights, where a family has them, are part of it."
        ),
        Table(("candidate", "ROC AUC"), ranking, numeric=(1,)),
    ]


def _data(found: EvaluationResult) -> list[Block]:
    lineage = found.manifest.lineage
    columns = [
        (f"`{feature.name}`", feature.description, _accepts(feature)) for feature in FEATURES
    ]
    splits = [
        (name, f"{facts.rows:,}", f"{facts.positives:,}", f"`{facts.sha256}`")
        for name, facts in found.splits.items()
    ]
    layers = [("bronze", f"`{lineage.bronze}`"), ("silver", f"`{lineage.silver}`")]
    return [
        Heading("Data"),
        Table(("feature", "meaning", "accepted"), columns),
        Table(("split", "rows", LABEL.positive, "SHA-256"), splits, numeric=(1, 2)),
        Table(("made from", "SHA-256"), layers),
    ]


def _pictures(*names: str) -> Pictures:
    return Pictures({name: FIGURES[name] for name in names})


def _accepts(feature: Feature) -> str:
    if isinstance(feature, Category):
        return ", ".join(feature.codes)
    return f"{feature.low:g} to {feature.high:g} {feature.unit}"


def _difference(found: EvaluationResult) -> float:
    return next((gate.value or 0.0) for gate in found.gates if gate.name == "max_onnx_difference")


def _share(found: EvaluationResult) -> float:
    splits = found.splits.values()
    return sum(split.positives for split in splits) / sum(split.rows for split in splits)
