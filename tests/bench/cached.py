"""Results of slow simulations, kept as long as the code that they measure does not change."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("results")


def list_modules(names: Iterable[str]) -> list[Path]:
    """Return modules of `pipeline/`, and all modules of packages, by their paths in it."""
    paths = [ROOT / "pipeline" / name for name in names]
    return [
        file
        for path in paths
        for file in ([path] if path.is_file() else sorted(path.rglob("*.py")))
    ]


def hash_code(paths: Iterable[Path], *values: Any) -> str:
    """Hash source files and values.

    Comments and docstrings do not count, nor does the module that a name is imported from: it
    changes when code moves.

    Args:
        paths: Python files.
        values: What else the results depend on; its `repr` is hashed.
    """
    found = hashlib.sha256()
    for path in paths:
        tree = ast.parse(path.read_text())
        imported = sorted(
            (name.name, name.asname or "")
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for name in node.names
        )
        found.update(f"{imported}{ast.dump(_remove_docstrings_and_imports(tree))}".encode())
    found.update(repr(values).encode())
    return found.hexdigest()


def _remove_docstrings_and_imports(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                statement
                for statement in body
                if not isinstance(statement, ast.ImportFrom)
                and not (
                    isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
                )
            ]
    return tree


def read_results(name: str) -> dict[str, Any]:
    """Return the stored results of each part: `{"part": {"code": hash, "results": ...}}`."""
    path = RESULTS / f"{name}.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return results


def measure(name: str, part: str, code: str, simulate: Callable[[], Any]) -> Any:
    """Return the results of a part, simulated only if the code has changed.

    Args:
        name: Name of the file of results.
        part: Name of the part.
        code: Hash of the code that the part measures, see `hash_code`.
        simulate: Returns the results as JSON values.
    """
    stored = read_results(name)
    if stored.get(part, {}).get("code") != code:
        results = simulate()
        stored = read_results(name) | {part: {"code": code, "results": results}}
        RESULTS.mkdir(exist_ok=True)
        text = json.dumps(stored, indent=1, sort_keys=True)
        (RESULTS / f"{name}.json").write_text(text + "\n")
    return stored[part]["results"]
