"""Read Secrets that are mounted as files into the environment of this process.

Each file is named like the variable that it replaces, such as AWS_ACCESS_KEY_ID. Programs find the
values in os.environ, but `/proc/self/environ` and the container's description do not have them.

    python -m pipeline.secret_files PROGRAM [ARGUMENT...]

runs a program in a process that has read them: a Python file, or a module such as `airflow`.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from pipeline.errors import SettingsError

FOLDER_VARIABLE = "MLOPS_SECRETS_FOLDER"
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def load_secret_files(environment: MutableMapping[str, str] = os.environ) -> None:
    """Add a variable for each file in the folder that MLOPS_SECRETS_FOLDER names, if it is set.

    A variable that is set already keeps its value. Entries that cannot name a variable, such as
    Kubernetes' `..data`, are skipped. One newline at the end of a file is removed.

    Args:
        environment: The variables; those of this process by default.

    Raises:
        SettingsError: If the folder or a file cannot be read, or a file is not text.
    """
    folder = environment.get(FOLDER_VARIABLE)
    if not folder:
        return
    try:
        for file in sorted(Path(folder).iterdir()):
            if VARIABLE.fullmatch(file.name) and file.name not in environment and file.is_file():
                environment[file.name] = file.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a null character
        reason = error if isinstance(error, OSError) else "a file is not text"
        raise SettingsError(
            f"{FOLDER_VARIABLE} is {folder!r}, and the Secrets in it cannot be read: {reason}. "
            "Set it to the folder where they are mounted, or unset it"
        ) from None


def run_program(program: str, arguments: Sequence[str]) -> None:
    """Run a program in this process, as `python FILE` or `python -m MODULE` would.

    Args:
        program: Path of a Python file, or name of a module.
        arguments: Its arguments.
    """
    sys.argv = [program, *arguments]
    if program.endswith(".py"):
        sys.path.insert(0, str(Path(program).parent))
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)


def main(arguments: Sequence[str]) -> None:
    """Load the files, and run the program that the arguments name."""
    if not arguments:
        sys.exit("usage: python -m pipeline.secret_files PROGRAM [ARGUMENT...]")
    try:
        load_secret_files()
    except SettingsError as error:
        sys.exit(f"error: {error}")
    run_program(arguments[0], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
