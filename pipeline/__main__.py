"""The command line: `python -m pipeline COMMAND`.

A command is a stage (pipeline/stages/) or another command for people (pipeline/commands/).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import re
import shlex
import signal
import sys
from collections.abc import Sequence

from pipeline import stages
from pipeline.column_file.reader import COLUMNS_SUFFIX, COLUMNS_VARIABLE, find_columns
from pipeline.console import echo
from pipeline.context import Context, open_context
from pipeline.errors import PipelineError, StageSkipped
from pipeline.secret_files import load_secret_files
from pipeline.settings import Settings
from pipeline.storage.exclusion import exclude_erasures

COMMANDS = {
    "adopt": "Propose a columns file for your own CSV file.",
    "run": "Run the whole life cycle on this machine, from raw rows to a monitored prediction.",
    "serve": "Run the predictor and the MLflow UI on the results of `run`.",
    "traffic": "Send rows to a running predictor, drifted if requested, and check them for drift.",
    "rollback": "Put an earlier version back into production.",
    "stop": "Stop the answers of all predictors.",
    "resume": "Let the predictors answer again.",
    "history": "List the moves of `production`: who, when, from which version to which, and why.",
    "compare": "Compare two registered models on the same rows.",
    "retain": "Delete old runs, raw files and live traffic that nothing needs.",
    "holdings": "List what is kept of the data, since when, until when and why.",
    "subject": "Show or erase what is held of a person.",
    "keys": "Add, rotate, revoke and list the API keys of the predictor.",
    "dask": "Run Dask's scheduler or a worker.",
    "buckets": "Create the buckets of a data lake on S3, and MinIO's users.",
    "policies": "Print the S3 policies of the stages and services.",
    "settings": "List all settings with their values and descriptions.",
}
"""Commands that are not stages. Each is the module of its name in pipeline/commands/."""


def make_parser(command: str) -> argparse.ArgumentParser:
    """Make the argument parser of a command.

    This imports the command's module, and with it the command's dependencies and the columns file.

    Raises:
        ColumnsError: If the columns file is missing or has errors.
    """
    package = "commands" if command in COMMANDS else "stages"
    module = importlib.import_module(f"pipeline.{package}.{command}")
    parser = argparse.ArgumentParser(
        prog=f"python -m pipeline {command}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if command not in COMMANDS:
        required = not getattr(module, "RUN_ID_OPTIONAL", False)
        parser.add_argument(
            "--run-id",
            required=required,
            metavar="ID",
            help="id of the pipeline run, which names its objects in the lake",
        )
    if hasattr(module, "add_arguments"):
        module.add_arguments(parser)
    parser.set_defaults(
        entry=getattr(module, "main", None) or (lambda context, _: module.run(context))
    )
    return parser


def choose_columns(arguments: Sequence[str]) -> None:
    """Set MLOPS_COLUMNS before the columns file is read, which importing a command does.

    `--columns PATH` chooses a file. Without it, and if the variable is not set, `--data PATH`
    chooses the file that `adopt` wrote for these data; then the lake has its own folder, unless the
    environment names another.

    Args:
        arguments: The arguments of a command.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--columns")
    parser.add_argument("--data")
    given, _ = parser.parse_known_args([*arguments])
    if given.columns:
        os.environ[COLUMNS_VARIABLE] = given.columns
    elif COLUMNS_VARIABLE not in os.environ and given.data:
        path = find_columns(given.data)
        if path is not None:
            name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.name.removesuffix(COLUMNS_SUFFIX))
            os.environ[COLUMNS_VARIABLE] = str(path)
            os.environ.setdefault("MLOPS_LAKE__URL", f"file://local/{name}")
            chosen = (COLUMNS_VARIABLE, "MLOPS_LAKE__URL")
            settings = " ".join(f"{one}={shlex.quote(os.environ[one])}" for one in chosen)
            echo(f"For other commands on these data: export {settings}")


def overview() -> str:
    """Return the help text of `python -m pipeline`."""
    lines = ["usage: python -m pipeline COMMAND [--help]", ""]
    for dag in dict.fromkeys(stage.dag for stage in stages.STAGES):
        lines += [
            f"stages of {dag}:",
            *(f"  {stage.name:12} {stage.summary}" for stage in stages.get_dag_stages(dag)),
            "",
        ]
    lines += [
        "other commands:",
        *(f"  {name:12} {summary}" for name, summary in COMMANDS.items()),
        "",
    ]
    lines += [
        "exit codes:",
        *(f"  {code:<12} {meaning}" for code, meaning in stages.EXIT_CODES.items()),
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run a command.

    Args:
        arguments: The command and its arguments.

    Returns:
        The exit code, one of stages.EXIT_CODES.
    """
    names = [*(stage.name for stage in stages.STAGES), *COMMANDS]
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(overview() + "\n")
        return stages.EXIT_OK if arguments else stages.EXIT_USAGE
    command, *rest = arguments
    if command not in names:
        echo(f"error: {command!r} is not a command. Commands: {', '.join(names)}", "red")
        return stages.EXIT_USAGE
    is_run = any(argument.startswith("--run-id") for argument in rest)
    try:
        load_secret_files()
        if command in ("run", "serve"):
            choose_columns(rest)
        parsed = make_parser(command).parse_args(rest)
        run_id = getattr(parsed, "run_id", None)  # only a stage of a run has one
        context = open_context(Settings.load(), run_id or command)
        with contextlib.ExitStack() as marks:
            if run_id is not None:
                marks.enter_context(exclude_erasures(context.lake, command, context.run_id))
            try:
                parsed.entry(context, parsed)
            except (StageSkipped, PipelineError):
                write_workers_report(context, command)
                raise
        write_workers_report(context, command)
    except StageSkipped as reason:
        echo(f"nothing to do: {reason}")
        return stages.EXIT_SKIPPED
    except PipelineError as error:
        echo(f"error: {error}", "red")
        return stages.EXIT_PERMANENT if is_run and not error.retryable else stages.EXIT_FAILED
    except KeyboardInterrupt:
        echo(f"interrupted: {command} left no partial output, so it can be run again")
        return stages.EXIT_INTERRUPTED
    return stages.EXIT_OK


def write_workers_report(context: Context, command: str) -> None:
    """Write Dask's report of a command that has used workers; does not import Dask."""
    if workers := sys.modules.get("pipeline.compute.workers"):
        workers.write_report(context.lake, context.run_id, command)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a pod that is deleted cleans up
    sys.exit(main(sys.argv[1:]))
