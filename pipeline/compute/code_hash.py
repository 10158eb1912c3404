"""A hash of the code that a function runs, so that workers refuse parts of other code."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The folder with the project's packages, also in images."""


@functools.cache
def hash_code(module: str) -> str:
    """Hash a module and all modules of this project that it can import.

    An image holds only the modules that it needs, and its version is that of its own modules, so
    versions of two images cannot be compared.

    Args:
        module: Name of the module.

    Returns:
        The SHA-256 of the modules' names and sources, in hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, source in sorted(find_sources(module).items()):
        digest.update(f"{name}\0{hashlib.sha256(source).hexdigest()}\0".encode())
    return digest.hexdigest()


def find_sources(module: str) -> dict[str, bytes]:
    """Return the source of a module and of all modules of this project that it can import."""
    sources: dict[str, bytes] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = find_file(name)
        if path is None or name in sources:
            continue
        sources[name] = path.read_bytes()
        parent = name.rpartition(".")[0]
        waiting += [parent, *find_imports(sources[name])]
    return sources


def find_file(module: str) -> Path | None:
    """Return the source file of a module; None for what is not a module of this project."""
    path = ROOT.joinpath(*module.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def find_imports(source: bytes) -> Iterator[str]:
    """Yield what a source can import when it runs; `from a import b` counts as `a` and `a.b`."""
    nodes: list[ast.AST] = [ast.parse(source)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{name.name}" for name in node.names))
        is_for_checkers = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        nodes += node.orelse if is_for_checkers else ast.iter_child_nodes(node)  # type: ignore[attr-defined]
