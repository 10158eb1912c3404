"""docs/how-to/use-the-predictor.md: its commands run, and return what it shows."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "use-the-predictor.md"
ADDRESS = "http://127.0.0.1:8000"
EXAMPLES = re.findall(r"```sh\n(.*?)```\n\n```(json|csv)\n(.*?)```", GUIDE.read_text(), re.DOTALL)
"""Each command, the format of its output, and the output that the guide shows."""


def to_shape(value: Any) -> Any:
    """Replace numbers and texts, which depend on the model, by their kind."""
    if isinstance(value, dict):
        return {name: to_shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [to_shape(part) for part in value]
    return "text" if isinstance(value, str | None) else "number"


def test_every_command_is_followed_by_its_output() -> None:
    """The guide's commands are those that the next test runs."""
    assert len(EXAMPLES) == GUIDE.read_text().count("```sh\n") > 5


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(("command", "kind", "shown"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_commands(url: str, tmp_path: Path, command: str, kind: str, shown: str) -> None:
    """A command runs as it is written, and its output has the shape that the guide shows."""
    assert ADDRESS in command
    program = ["bash", "-euo", "pipefail", "-c", command.replace(ADDRESS, url)]
    output = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True)
    if kind == "json":
        assert to_shape(json.loads(output.stdout)) == to_shape(json.loads(shown))
    else:
        expected, returned = (
            list(csv.DictReader(io.StringIO(text))) for text in (shown, output.stdout)
        )
        assert [list(row) for row in expected] == [list(row) for row in returned]
        assert [row["error"] for row in expected] == [row["error"] for row in returned]
