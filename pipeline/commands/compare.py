"""Compare two registered models: what they are, and the difference of their metrics.

A model is the number of a version or an alias (`production`, `staging`, `previous`). Both are
measured on the test rows of A, without the rows that B was trained on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from pipeline.console import echo, print_table
from pipeline.context import Context
from pipeline.deployment.moves import REJECTED, VERIFIED
from pipeline.errors import RegistryError
from pipeline.evaluation.champion import compare_with_champion
from pipeline.evaluation.datasets import count_rows, describe_sample, read_split
from pipeline.model.bundle import ONNX, Bundle
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
"""Rows of the first table."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument("first", metavar="A", help="number of a version, or an alias")
    parser.add_argument("second", metavar="B", help="number of a version, or an alias")


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Print the comparison to standard output.

    Raises:
        RegistryError: If a version does not exist.
        LakeError: If the test rows are missing, or a file does not have its recorded hash.
    """
    registry, settings = context.registry, context.settings
    first = resolve_version(registry, arguments.first)
    second = resolve_version(registry, arguments.second)
    bundles = registry.get_version_bundle(first), registry.get_version_bundle(second)
    header = ("", f"version {first.number}", f"version {second.number}")
    facts = [
        (name, get_fact(first, bundles[0]), get_fact(second, bundles[1]))
        for name, get_fact in FACTS.items()
    ]
    print_table("Models", header, facts, is_answer=True)

    lineage = bundles[0].manifest.lineage
    test = read_split(context.lake, lineage, "test")
    sample = describe_sample(len(test), count_rows(context.lake, lineage, "test"), "test rows")
    comparison = compare_with_champion(context.lake, settings, *bundles, test)
    rows = [
        (
            name,
            f"{difference.value:+.3f}",
            f"{difference.low:+.3f} to {difference.high:+.3f}",
        )
        for name, difference in comparison.difference.items()
    ]
    rows.append(("latency of one row", f"x {comparison.latency_ratio:.2f}", "ratio of the medians"))
    count = len(comparison.candidate.frame)
    title = f"Version {first.number} minus version {second.number} on the same {count:,} rows"
    print_table(title, ("", "difference", "95 % interval"), rows, is_answer=True)
    for note in (*sample, *comparison.notes):
        echo(f"compare: {note}")


def resolve_version(registry: Registry, name: str) -> Version:
    """Look up a version by its number or by an alias.

    Args:
        registry: The registry.
        name: Number or alias of the version.

    Raises:
        RegistryError: If there is no such version.
    """
    if name.isdecimal():
        return registry.get_version(name)
    version = registry.get_by_alias(name)
    if version is None:
        raise RegistryError(f"No version of {registry.name} has the number or alias {name!r}.")
    return version
