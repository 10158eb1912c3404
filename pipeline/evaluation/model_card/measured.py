"""What was measured on the test rows, for the model card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.columns import EXPECTATIONS
from pipeline.evaluation import gates
from pipeline.evaluation.metric_titles import get_metric_meaning, get_metric_title
from pipeline.evaluation.model_card.figures import FIGURES
from pipeline.evaluation.power_section import describe_power
from pipeline.evaluation.result import EvaluationResult
from pipeline.reporting.document import Block, Callout, Heading, Items, Pictures, Table, Text


@dataclass(frozen=True)
class Findings:
    """Sentences about what the model learned.

    Attributes:
        calibration: How the highest probabilities compare with what happened.
        surprises: Effects that contradict known ones, or have no single direction.
        effect_rows: Test rows that the effects are averaged over.
    """

    calibration: Sequence[str]
    surprises: Sequence[str]
    effect_rows: int


def describe_quality(result: EvaluationResult, findings: Findings) -> list[Block]:
    """The metrics with their intervals, the calibration, and what the data allows."""
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
            "Every metric has its 95 % interval. Cross-validation is nested: in each "
            "fold every choice was made without the rows that the metrics are computed on. No "
            "choice used the test rows."
        ),
        *_notes(result.sample_notes),
        Table(
            ("metric", "meaning", "cross-validation", "validation", "test"),
            rows,
            numeric=(2, 3, 4),
        ),
        Items(findings.calibration),
        *_notes(result.data_check.sentences if result.data_check else ()),
        _pictures("roc.svg", "precision_recall.svg", "calibration.svg", "confusion.svg"),
    ]


def describe_gates(result: EvaluationResult) -> list[Block]:
    """The gates that `evaluate` judged."""
    rows = [
        (gates.get_title(name), *cells)
        for name, *cells in gates.tabulate_gates("evaluate", result.gates)
    ]
    return [
        Heading("Gates of training"),
        Callout(result.decision, is_good=result.passed),
        *_notes(result.sample_notes),
        Table(gates.HEADER, rows, numeric=(2, 3), tones=gates.VERDICT_TONES),
        *describe_power(result.gates),
        *_notes(result.gate_notes),
    ]


def describe_champion(result: EvaluationResult) -> list[Block]:
    """The comparison with the champion."""
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
            "on the same rows. By the gates of `validate` that "
            f"compare it with the champion, the candidate is {verdict}."
        ),
        *_notes((*result.sample_notes, *result.comparison_notes)),
        Table(
            ("metric", "candidate", f"version {comparison.version}", "difference"),
            rows,
            numeric=(1, 2, 3),
        ),
        _pictures("champion.svg"),
    ]


def describe_effects(findings: Findings) -> list[Block]:
    """What the model learned from each feature."""
    known = [f"Known effect of `{effect.feature}`: {effect.why}." for effect in EXPECTATIONS]
    surprises = findings.surprises or [
        "No effect is surprising: none contradicts a known effect or clearly changes its direction."
    ]
    return [
        Heading("What it learned"),
        Text(
            f"Mean predicted probability of {findings.effect_rows:,} test rows when one feature is "
            "set to each of its values and the others stay as they are. The band holds the middle "
            "80 % of the rows; the dotted line is the threshold. An effect shows what the model "
            "does, not what causes the outcome."
        ),
        _pictures("feature_effects.svg"),
        Heading("Surprising and known effects"),
        Items([*surprises, *known]),
    ]


def _notes(notes: Sequence[str]) -> list[Block]:
    return [Text(f"{note[0].upper()}{note[1:]}.") for note in notes]


def _pictures(*names: str) -> Pictures:
    return Pictures({name: FIGURES[name] for name in names})
