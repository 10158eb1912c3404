"""The report of `validate` for people: every gate that the candidate had to pass, as a page."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.evaluation import gates
from pipeline.evaluation.metric_titles import get_metric_meaning, get_metric_title
from pipeline.evaluation.power_section import describe_power
from pipeline.gate_table import Gate, get_gate
from pipeline.model.bundle import Manifest
from pipeline.reporting.document import (
    Block,
    Callout,
    Heading,
    Items,
    Links,
    Table,
    Text,
    to_html,
)
from pipeline.storage.artifacts.deployment import ValidationReport
from pipeline.storage.artifacts.gates import GateResult
from pipeline.storage.layout import DATA_CHECK_PAGE, DRIFT_PAGE, MODEL_CARD_HTML
from pipeline.times import format_time

HEADER = ("gate", "value", "must be", "verdict", "compared number", "why")


def render_validation(report: ValidationReport, manifest: Manifest) -> bytes:
    """Render the page.

    Args:
        report: The report of `validate`.
        manifest: The candidate's manifest.

    Returns:
        An HTML page. Its links work in every folder of a run below `reports/`.
    """
    title = f"Gates: {manifest.name}, version {report.candidate}"
    return to_html(title, _blocks(report, manifest)).encode()


def _blocks(report: ValidationReport, manifest: Manifest) -> list[Block]:
    run_id = manifest.lineage.pipeline_run_id
    verdict = "can be promoted" if report.passed else "is not promoted"
    return [
        Links(
            {
                "Model card": f"../{run_id}/{MODEL_CARD_HTML}",
                "Data check": f"../{run_id}/{DATA_CHECK_PAGE}",
                "Latest drift check": f"../{DRIFT_PAGE}",
            }
        ),
        Callout(f"Version {report.candidate} {verdict}: {report.decision}.", is_good=report.passed),
        Heading("Validation"),
        Table(
            (),
            [
                ("version", f"{report.candidate} of {manifest.name} (`{manifest.family}`)"),
                ("champion", f"version {report.champion}" if report.champion else "none"),
                ("validated", format_time(report.created_at)),
                ("trained", f"{format_time(manifest.created)}, pipeline run `{run_id}`"),
            ],
        ),
        *_gates(report, manifest),
        *_comparison(report),
    ]


def _gates(report: ValidationReport, manifest: Manifest) -> list[Block]:
    names = {result.name for result in report.gates}
    only_in_training = [result for result in manifest.gates if result.name not in names]
    every = [*only_in_training, *report.gates]
    judged = [result for result in every if result.value is not None]
    failed = sum(not result.passed for result in every)
    intro = (
        f"A gate is a bound that a model has to meet before it is promoted. Of {len(every)} "
        f"gates, {len(judged) - failed} passed and {failed} did not."
    )
    if idle := len(every) - len(judged):
        intro += (
            f" {idle} had nothing to judge, for example because there is no champion or no live "
            "traffic yet; such a gate passes."
        )
    in_training = [result for result in report.gates if _is_judged_in_training(result)]
    others = [result for result in report.gates if not _is_judged_in_training(result)]
    blocks: list[Block] = [Heading("Summary"), Text(intro)]
    if report.notes:
        blocks.append(Items([f"{note[0].upper()}{note[1:]}." for note in report.notes]))
    for heading, results in (
        ("Gates of training only", only_in_training),
        ("Gates of training and deployment", in_training),
        ("Gates of deployment only", others),
    ):
        if results:
            blocks += [Heading(heading), _table(results)]
    if power := describe_power(every):
        blocks += [Heading("What the verdicts can show"), *power]
    return blocks


def _table(results: Sequence[GateResult]) -> Table:
    return Table(HEADER, [_row(result) for result in results], (1, 2), gates.VERDICT_TONES)


def _row(result: GateResult) -> tuple[str, ...]:
    value, requirement = gates.format_requirement(result)
    return (
        gates.get_title(result.name),
        "" if result.value is None else value,
        requirement,
        gates.get_verdict(result),
        _get_statistic(get_gate(result.name)),
        result.reason,
    )


def _get_statistic(gate: Gate | None) -> str:
    """The number that is compared with the bound."""
    stages = gate.stages if gate else {}
    return str(stages.get("validate") or stages.get("evaluate") or "")


def _is_judged_in_training(result: GateResult) -> bool:
    gate = get_gate(result.name)
    return gate is not None and "evaluate" in gate.stages


def _comparison(report: ValidationReport) -> list[Block]:
    if not report.metrics:
        return []
    blocks: list[Block] = [
        Heading("Quality"),
        Text("Measured on the test rows of the candidate, with 95 % intervals."),
    ]
    header = ["metric", "meaning", f"version {report.candidate}"]
    if report.difference:
        header.append(f"difference from version {report.champion}")
    rows = [
        [get_metric_title(name), get_metric_meaning(name), str(metric)]
        + ([report.difference[name].signed] if report.difference else [])
        for name, metric in report.metrics.items()
    ]
    return [*blocks, Table(header, rows, numeric=range(2, len(header)))]
