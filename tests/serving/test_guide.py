"""docs/how-to/use-the-predictor.md: its commands run, and answer what it shows."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.forest import bundle
from tests.serving.predictor import running

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "use-the-predictor.md"
ADDRESS = "http://127.0.0.1:8000"
EXAMPLES = re.findall(r"```sh\n(.*?)```\n\n```(json|csv)\n(.*?)```", GUIDE.read_text(), re.DOTALL)
"""Each command, the kind of its answer, and the answer that is shown."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("predictor"), bundle(version="1")) as address:
        yield address


def shape(value: Any) -> Any:
    """What an answer is made of, whichever model gave it: names and kinds, not numbers and words."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value]
    return "text" if isinstance(value, str | None) else "number"


def test_the_guide_has_examples() -> None:
    """Each command of the guide is followed by its answer."""
    assert len(EXAMPLES) == GUIDE.read_text().count("```sh\n") > 5


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(("command", "kind", "shown"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_answers_what_is_shown(
    url: str, tmp_path: Path, command: str, kind: str, shown: str
) -> None:
    """The command runs as it is written, and its answer has the shape of the one that is shown."""
    assert ADDRESS in command
    ran = ["bash", "-euo", "pipefail", "-c", command.replace(ADDRESS, url)]
    answer = subprocess.run(ran, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    if kind == "json":
        assert shape(json.loads(answer)) == shape(json.loads(shown))
    else:
        ours, theirs = (list(csv.DictReader(io.StringIO(text))) for text in (shown, answer))
        assert [list(row) for row in ours] == [list(row) for row in theirs]
        assert [row["error"] for row in ours] == [row["error"] for row in theirs]
