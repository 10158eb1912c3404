"""Propose a columns file for a CSV file, by which `run` trains and serves a model of it.

Writes DATA.columns.yaml next to the data file and prints what each column is taken for, and why.
Nothing is asked, and an existing file is kept unless --force is given.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.adoption.judge import judge_columns
from pipeline.adoption.label import adopt_label
from pipeline.adoption.roles import AdoptedRole, adopt_roles
from pipeline.adoption.table import Table, read_table
from pipeline.adoption.write import write_columns
from pipeline.column_file.reader import name_columns, parse_columns
from pipeline.console import echo, print_table
from pipeline.context import Context
from pipeline.errors import DataError, SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument("--data", required=True, metavar="PATH", type=Path, help="the CSV file")
    parser.add_argument(
        "--label", required=True, metavar="COLUMN", help="header of the column to predict"
    )
    parser.add_argument(
        "--positive",
        metavar="VALUES",
        help="the outcome to warn about: a value, values separated by commas, or a comparison such "
        "as '<10' (default: the rarer of two values)",
    )
    parser.add_argument(
        "--keep",
        metavar="COLUMNS",
        default="",
        help="headers, separated by commas, of columns that look like a leak but are not",
    )
    parser.add_argument(
        "--audit",
        metavar="COLUMNS",
        default="",
        help="headers, separated by commas, of columns that no model sees; reports compare the "
        "groups that they divide the rows into",
    )
    parser.add_argument(
        "--key",
        metavar="COLUMN",
        default="",
        help="header of the column that identifies the person: it is stored as a pseudonym, and "
        "all rows of a person stay together",
    )
    parser.add_argument(
        "--time",
        metavar="COLUMN",
        default="",
        help="header of the column with the term or day: the newest rows test the model",
    )
    parser.add_argument(
        "--group",
        metavar="COLUMNS",
        default="",
        help="headers, separated by commas, of columns such as the class or the tutor, whose "
        "results are reported",
    )
    parser.add_argument("--force", action="store_true", help="overwrite the columns file")


def main(_: Context, arguments: argparse.Namespace) -> None:
    """Read the file, decide what its columns are, and write the columns file.

    Raises:
        SourceError: If the data file cannot be read.
        DataError: If a model cannot learn from the table.
        SettingsError: If the columns file exists and --force is not given.
    """
    path = name_columns(arguments.data)
    if path.exists() and not arguments.force:
        raise SettingsError(
            f"{path} exists, and may have your changes. To overwrite it, use --force "
            "(make adopt FORCE=1)."
        )
    table = read_table(arguments.data)
    label = adopt_label(table, arguments.label, arguments.positive)
    audit = _split_headers(arguments.audit, table)
    keep = [*_split_headers(arguments.keep, table), *audit]
    roles = _adopt_roles(table, arguments, audit)
    decisions = judge_columns(table, label, keep, [role.raw for role in roles])
    if unusable := [one for one in decisions if one.raw in audit and not one.is_feature]:
        raise DataError(
            f"{unusable[0].raw!r} divides no rows into groups: {unusable[0].reason}. Leave it out "
            "of the columns to audit."
        )
    if not any(one.is_feature and one.raw not in audit for one in decisions):
        reasons = "; ".join(f"{one.raw}: {one.reason}" for one in decisions[:3])
        raise DataError(f"No column of {table.name} can be learned from. {reasons}")
    text = write_columns(table, label, decisions, audit, roles)
    columns = parse_columns(text, str(path))
    path.write_text(text, encoding="utf-8")

    named = (*columns.features, *columns.audit_only, *columns.roles.columns, columns.label)
    names = {column.raw: column.name for column in named}
    rows = [
        (
            one.raw,
            names.get(one.raw, ""),
            f"{one.kind}, audit only" if one.raw in audit else one.kind,
            one.reason,
        )
        for one in decisions
    ]
    rows += [(role.raw, names[role.raw], role.kind, role.reason) for role in roles]
    outcome = f"{columns.label.positive}: {label.rate:.1%} of {table.rows:,} rows"
    rows.append((label.raw, names[label.raw], "label", outcome))
    print_table(str(path), ("column", "name", "taken for", "because"), rows, is_answer=True)
    if label.missing:
        echo(f"adopt: {label.missing:,} rows have no outcome and will be rejected", "yellow")
    echo(f"adopt: wrote {path} with {len(columns.features)} features. Check it, then run")
    echo(f"  make run DATA={arguments.data}")


def _adopt_roles(
    table: Table, arguments: argparse.Namespace, audit: Sequence[str]
) -> list[AdoptedRole]:
    """Describe the columns to which the options give a role.

    Raises:
        DataError: If the table lacks one of them, or a column has two roles.
    """
    key, time = arguments.key.strip(), arguments.time.strip()
    groups = _split_headers(arguments.group, table)
    named = [*filter(None, (key, time)), *groups, *audit, arguments.label]
    _check_headers(named, table)
    if repeated := [name for name in named if named.count(name) > 1]:
        raise DataError(
            f"The column {repeated[0]!r} can only be one of key, time, group, audit and label."
        )
    return adopt_roles(table, key=key, time=time, groups=groups)


def _split_headers(text: str, table: Table) -> list[str]:
    """Split a list of headers, and check that the table has them."""
    headers = [name.strip() for name in text.split(",") if name.strip()]
    _check_headers(headers, table)
    return headers


def _check_headers(headers: Sequence[str], table: Table) -> None:
    if unknown := [name for name in headers if name not in table.columns]:
        raise DataError(f"{table.name} has no column {unknown[0]!r}.")
