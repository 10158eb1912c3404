"""Shows two registered models side by side, and their difference on the same test rows.

A model is a version's number or an alias (`production`, `staging`, `previous`). The rows are the first one's test split, without
those that the second one learned from.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from pipeline.console import echo, print_table
from pipeline.context import Context
from pipeline.deployment.promotion_log import REJECTED, VERIFIED
from pipeline.errors import RegistryError
from pipeline.evaluation.datasets import read_split
from pipeline.evaluation.gate_values import compare_models, rows_unseen_by_champion
from pipeline.model.bundle import ONNX, Bundle
from pipeline.model.metrics import METRICS
from pipeline.tracking.registry import Registry, Version

FACTS: dict[str, Callable[[Version, Bundle], str]] = {
    "family": lambda version, bundle: bundle.manifest.family,
    "trained": lambda version, bundle: bundle.manifest.created,
    "threshold": lambda version, bundle: f"{bundle.manifest.threshold:.4g}",
    "ONNX file": lambda version, bundle: f"{len(bundle.files[ONNX]) / 1024:,.0f} KiB",
    "MLflow run": lambda version, bundle: version.run_id,
    "pipeline run": lambda version, bundle: bundle.manifest.lineage.pipeline_run_id,
    "bronze": lambda version, bundle: bundle.manifest.lineage.bronze[:12],
    "code": lambda version, bundle: bundle.manifest.lineage.code_version,
    "verified": lambda version, bundle: version.tags.get(VERIFIED, "no"),
    "rejected": lambda version, bundle: version.tags.get(REJECTED, "no"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("one", metavar="A", help="a version's number or an alias")
    parser.add_argument("other", metavar="B", help="a version's number or an alias")


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Prints the comparison to standard output."""
    registry, settings = context.registry, context.settings
    one, other = (resolve_version(registry, name) for name in (arguments.one, arguments.other))
    ours, theirs = (registry.get_version_bundle(version) for version in (one, other))
    names = f"version {one.number}", f"version {other.number}"
    facts = [(name, fact(one, ours), fact(other, theirs)) for name, fact in FACTS.items()]
    print_table("Models", ("", *names), facts, is_answer=True)

    test, notes = rows_unseen_by_champion(
        context.lake,
        settings,
        theirs,
        ours,
        read_split(context.lake, ours.manifest.lineage, "test"),
    )
    gain, ratio = compare_models(settings, ours, theirs, test)
    rows = [
        (name, f"{gain[name].value:+.3f}", f"{gain[name].low:+.3f} to {gain[name].high:+.3f}")
        for name in METRICS
    ]
    rows.append(("time of one row", f"x {ratio:.2f}", "median, measured in turns"))
    title = f"Version {one.number} against {other.number} on the same {len(test):,} test rows"
    print_table(title, ("", "difference", "95 % interval"), rows, is_answer=True)
    for note in notes:
        echo(f"compare: {note}")


def resolve_version(registry: Registry, name: str) -> Version:
    """The version of that number, or with that alias.

    Raises:
        RegistryError: there is none.
    """
    if name.isdecimal():
        return registry.get_version(name)
    found = registry.get_by_alias(name)
    if found is None:
        raise RegistryError(f"no version of {registry.name} has the number or alias {name!r}")
    return found
