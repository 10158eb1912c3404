"""Manage the API keys of the predictor in a file that holds only their hashes.

`add` and `rotate` print the new key, once, on standard output. The predictor reads the file of
MLOPS_PREDICTOR__API_KEYS_FILE again when it changes, so that no command needs a restart.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

from pipeline.api_keys import (
    ApiKey,
    add_key,
    read_keys,
    revoke_keys,
    rotate_key,
    today,
    write_keys,
)
from pipeline.console import echo, print_table
from pipeline.context import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options to the command's parser."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make a key, print it, and add its hash to the file")
    _add_name(add)
    _add_expiry(add)
    for unit in ("requests", "rows"):
        add.add_argument(
            f"--{unit}-per-minute",
            type=int,
            metavar="N",
            help=f"most {unit} per minute, for each predictor process (default: no limit)",
        )
    rotate = actions.add_parser("rotate", help="make a second key for a name; the first expires")
    _add_name(rotate)
    _add_expiry(rotate)
    rotate.add_argument(
        "--overlap-days",
        type=int,
        default=7,
        metavar="N",
        help="days after today on which both keys are accepted (default: %(default)s)",
    )
    _add_name(actions.add_parser("revoke", help="refuse the keys of a name from now on"))
    actions.add_parser("list", help="list the names, dates and limits")
    for action in actions.choices.values():
        action.add_argument("file", type=Path, metavar="FILE", help="file with the hashes")


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="who sends the key, such as `registrar`")


def _add_expiry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--expires",
        type=date.fromisoformat,
        metavar="DATE",
        help="first day (UTC, YYYY-MM-DD) on which the key is refused (default: never)",
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Read the file, and list or change its keys.

    Raises:
        SettingsError: If the file is unreadable, or the change is not possible.
    """
    path, action = arguments.file, arguments.action
    keys = [] if action == "add" and not path.exists() else read_keys(path)
    if action == "list":
        header = ("name", "state", "created", "expires", "requests/min", "rows/min")
        print_table(f"Keys in {path}", header, map(_format_row, keys), is_answer=True)
        return
    if action == "revoke":
        write_keys(path, revoke_keys(keys, arguments.name))
        echo(f"keys: revoked {arguments.name} in {path}")
        return
    if action == "add":
        key, changed = add_key(
            keys,
            arguments.name,
            expires=arguments.expires,
            requests_per_minute=arguments.requests_per_minute,
            rows_per_minute=arguments.rows_per_minute,
        )
    else:
        key, changed = rotate_key(
            keys, arguments.name, overlap_days=arguments.overlap_days, expires=arguments.expires
        )
    write_keys(path, changed)
    echo(f"keys: {path} has the hash of the key of {arguments.name}. The key is shown only now:")
    sys.stdout.write(f"{key}\n")


def _format_row(key: ApiKey) -> tuple[str, ...]:
    """Format a key as a row of the table."""
    if key.revoked:
        state = f"revoked on {key.revoked}"
    else:
        state = "valid" if key.is_valid(today()) else "expired"
    limits = (key.requests_per_minute, key.rows_per_minute)
    return (
        key.name,
        state,
        str(key.created),
        str(key.expires or "never"),
        *("no limit" if limit is None else f"{limit:,}" for limit in limits),
    )
