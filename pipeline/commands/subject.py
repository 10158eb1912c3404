"""Show or erase what is held of a person.

`show KEY` lists every object with rows of the person, older versions included. `erase KEY` removes
the rows from all of them, and records which models must be retrained. KEY is the value of the
column `key` in the uploaded files; `-` reads it from standard input, so that no log has it. Several
keys are handled one after the other.

`erase` refuses to start while a stage runs, and no stage starts until it has ended. It can be
killed and run again.
"""

from __future__ import annotations

import argparse
import json
import sys

from pipeline.console import echo, print_table
from pipeline.context import Context
from pipeline.data.pseudonyms import open_pseudonyms
from pipeline.erasure.erase import Erasure, erase
from pipeline.erasure.models import find_models
from pipeline.erasure.person import Person, find_person
from pipeline.erasure.search import Findings, search
from pipeline.errors import LakeError
from pipeline.retention.format import format_day
from pipeline.storage.lake import Lake
from pipeline.storage.layout import erased_person
from pipeline.tracking.registry import PRODUCTION, Version

_DELETE_PREVIOUS = (
    "add --delete-previous if `rollback` need not return to it, or run this command when the alias "
    "has moved"
)
_ADVICE = {PRODUCTION: f"promote another model (`python -m pipeline run`), then {_DELETE_PREVIOUS}"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument("action", choices=("show", "erase"), help="what to do")
    parser.add_argument(
        "keys", metavar="KEY", nargs="+", help="a person's key; - for standard input"
    )
    parser.add_argument(
        "--json", action="store_true", help="`show` prints the rows as a JSON array instead"
    )
    parser.add_argument(
        "--ignore-running",
        action="store_true",
        help="`erase` although stages are marked as running, because their processes were killed",
    )
    parser.add_argument(
        "--delete-previous",
        action="store_true",
        help="`erase` also deletes versions with rows that are `previous` or `staging`; `rollback` "
        "cannot return to them",
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Show or erase.

    Raises:
        SettingsError: If the columns file has no key, or there is no secret for pseudonyms.
        LakeError: If the lake cannot be read or written, a stage is running, or rows are left.
        RegistryError: If MLflow does not respond.
    """
    keys = [sys.stdin.readline() if key == "-" else key for key in arguments.keys]
    pseudonyms = open_pseudonyms(context.settings)
    persons = [find_person(key, pseudonyms) for key in keys]
    if arguments.action == "erase":
        for person in persons:
            erasure = erase(
                context,
                person,
                pseudonyms,
                ignore_running=arguments.ignore_running,
                delete_previous=arguments.delete_previous,
            )
            _report(context.lake, person, erasure)
        return
    findings = [search(context.lake, person) for person in persons]
    if arguments.json:
        rows = [
            {"object": held.version.key, "version": held.version.version, "row": row}
            for found in findings
            for held in found.held
            for row in held.rows
        ]
        sys.stdout.write(json.dumps(rows, indent=2, default=str) + "\n")
        return
    for person, found in zip(persons, findings, strict=True):
        _show(context.lake, person, found, find_models(context.registry, found.training_runs))


def _show(lake: Lake, person: Person, findings: Findings, models: list[Version]) -> None:
    """Print where rows of the person are."""
    rows = [
        (
            held.version.key,
            "" if held.version.is_current else "older version",
            f"{len(held.rows):,}",
            format_day(held.version.modified),
        )
        for held in findings.held
    ]
    title = f"Rows of the person {person.pseudonym}"
    print_table(title, ("object", "", "rows", "written"), rows, is_answer=True)
    if lake.exists(erased_person(person.erased_id)):
        echo("subject: the person was erased; new rows are left out by `ingest`")
    if models:
        names = ", ".join(version.number for version in models)
        echo(f"subject: versions trained on rows of the person: {names}")


def _report(lake: Lake, person: Person, erasure: Erasure) -> None:
    """Print what was erased.

    Raises:
        LakeError: If rows are left.
    """
    echo(
        f"subject: erased {erasure.rows:,} rows in {erasure.versions:,} objects and versions; the "
        f"tombstone is {lake.url(erased_person(person.erased_id))}"
    )
    if erasure.retrain:
        names = ", ".join(version.number for version in erasure.retrain)
        echo(
            f"subject: versions trained on the rows: {names}. The next drift check requests "
            "retraining if one of them is in production; or train now",
            "yellow",
        )
    if erasure.marked:
        echo(
            f"subject: {erasure.marked:,} MLflow runs are marked as deleted; `mlflow gc` on the "
            "server deletes their files"
        )
    problems = [f"{held.version.key} has rows that were written meanwhile" for held in erasure.left]
    problems += [
        f"the bundle of version {number}, which is `{alias}`, has rows of the person, because an "
        f"earlier release made it; {_ADVICE.get(alias, _DELETE_PREVIOUS)}"
        for number, alias in erasure.bundles.items()
    ]
    if problems:
        raise LakeError(f"The erasure is not complete: {'. '.join(problems)}. Run it again")
