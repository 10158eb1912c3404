"""Conventions that hold for the whole repository."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.storage.layout import LAYERS
from tests.support.helm import ROOT

LAYOUT = "pipeline/storage/layout.py"
KEY = re.compile(rf"(?:s3://)?(?:{'|'.join(LAYERS)})/\S*")
DEVELOPMENT_FOLDER = "../" + "shared"


def find_strings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every string in a module, without docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in docstrings or not isinstance(node, ast.Constant):
            continue
        if isinstance(node.value, str):
            yield node.lineno, node.value


def test_only_the_layout_contains_lake_keys() -> None:
    """No module of the product spells out the key of an object in the lake."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text!r}"
        for package in ("pipeline", "serving", "k8s", "dags")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path != ROOT / LAYOUT
        for line, text in find_strings(path)
        if KEY.fullmatch(text)
    ]
    assert found == []


def test_the_search_for_keys_finds_one(tmp_path: Path) -> None:
    """A key in a plain string or in an f-string is found; one in a docstring is not."""
    module = tmp_path / "module.py"
    module.write_text('"""gold/x"""\nA = "silver/live/"\nB = f"gold/{A}/x"\nC = "a gold/b"\n')
    assert [line for line, text in find_strings(module) if KEY.fullmatch(text)] == [2, 3]


def test_reports_are_read_as_models() -> None:
    """JSON in the lake is read by `Lake.read_model`; only responses of servers are plain JSON."""
    parsing = re.compile(r"\bjson\.loads?\(")
    found = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "pipeline").rglob("*.py"))
        if parsing.search(path.read_text())
    ]
    assert found == [
        "pipeline/deployment/predictor_client.py",
        "pipeline/storage/minio_users.py",
    ]


def test_only_ci_knows_the_development_machine() -> None:
    """Nothing but .ci/run depends on files outside the repository."""
    ignored = {".git", "local", "programs", "__pycache__"}  # images/programs: downloaded
    found = []
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        if ignored & set(parts) or parts[0].startswith(".ven") or parts[0].endswith("_cache"):
            continue
        if path.is_file() and DEVELOPMENT_FOLDER.encode() in path.read_bytes():
            found.append(path.relative_to(ROOT).as_posix())
    assert found == [".ci/run"]
