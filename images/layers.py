"""Lay out the files of an image so that equal parts of images become equal layers.

This program runs in image builds, with the standard library only.

    layers.py shared LIST...    install each list's packages into its own folder, /shared/LIST
    layers.py image LIST        copy to /image each shared folder whose packages are all in LIST,
                                and an empty one for each other; install the remaining packages
                                into /image/rest
    layers.py code MODULE...    copy these modules, and those of the working directory that they
                                import, to /image/code

A list is a file /lock/LIST.txt that `uv export` wrote. A folder holds files with their paths
below `/`, and lists its packages in /app/layers, so that no folder is empty: Docker's classic
builder loses layers without files. All files get the same time, and byte code is not validated by
time, so equal versions give equal bytes in every image.
"""

from __future__ import annotations

import ast
import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

SHARED, IMAGE, APP = Path("/shared"), Path("/image"), Path("/app")
VENV = APP / ".venv"
FIXED_TIME = 1_000_000_000


def get_place(folder: Path, path: Path) -> Path:
    """Where the folder keeps the file that the image has at this path."""
    return folder / path.relative_to("/")


def read_requirements(name: str) -> dict[str, str]:
    """Return the packages of a list, each with the lines that require it, hashes included."""
    blocks = re.split(r"^(?=\w)", Path(f"/lock/{name}.txt").read_text(), flags=re.MULTILINE)
    requirements: dict[str, str] = {}
    for block in blocks:
        package, pinned, _ = block.partition("==")
        if pinned:
            requirements[package] = requirements.get(package, "") + block
    return requirements


def install(requirements: dict[str, str], folder: Path) -> None:
    """Install these packages, without their dependencies and tests, into the folder."""
    write_package_list(folder, requirements)
    target = get_place(folder, VENV)
    target.mkdir(parents=True, exist_ok=True)
    command = ["uv", "pip", "install", f"--python={VENV}", f"--prefix={target}"]
    command += ["--no-deps", "--require-hashes", "--requirement=-"]
    subprocess.run(command, check=True, text=True, input="".join(requirements.values()))
    for tests in sorted(target.rglob("tests/__init__.py")):
        if next(tests.parent.rglob("test_*.py"), None):  # some packages need a module `tests`
            shutil.rmtree(tests.parent, ignore_errors=True)
    finish(folder)


def write_package_list(folder: Path, names: Iterable[str]) -> None:
    """List the folder's packages in /app/layers."""
    path = get_place(folder, APP / "layers" / folder.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))


def finish(folder: Path) -> None:
    """Compile the folder's modules, and give all its files the same time."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, stripdir=folder, quiet=2, workers=0, invalidation_mode=unchecked)
    for path, _, files in os.walk(folder):
        for name in (".", *files):
            os.utime(Path(path, name), (FIXED_TIME, FIXED_TIME), follow_symlinks=False)


def lay_out_shared(lists: Iterable[str]) -> None:
    """Install each list into /shared/LIST, without the packages of the lists before it.

    The first folder also holds the virtual environment.
    """
    subprocess.run(["uv", "venv", VENV], check=True)
    installed: set[str] = set()
    for name in lists:
        folder = SHARED / name
        if not installed:
            shutil.copytree(VENV, get_place(folder, VENV), symlinks=True)
        requirements = read_requirements(name)
        new = {name: lines for name, lines in requirements.items() if name not in installed}
        install(new, folder)
        installed |= new.keys()


def lay_out_image(name: str) -> None:
    """Fill /image with the packages of a list, from /shared where possible."""
    missing = read_requirements(name)
    for folder in SHARED.iterdir():
        shared = get_place(folder, APP / "layers" / folder.name).read_text().split()
        if missing.keys() >= set(shared):
            shutil.copytree(folder, IMAGE / folder.name, symlinks=True)
            for package in shared:
                del missing[package]
        else:
            write_package_list(IMAGE / folder.name, ())
            finish(IMAGE / folder.name)
    install(missing, IMAGE / "rest")


@cache
def find_imports(source: bytes) -> frozenset[str]:
    """Return the modules that a Python source can import when it runs, anywhere in it.

    `from a import b` counts as `a` and `a.b`. Imports for type checkers do not count.
    """
    found: set[str] = set()
    nodes: list[ast.AST] = [ast.parse(source)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes += node.orelse
        else:
            nodes += ast.iter_child_nodes(node)
    return frozenset(found)


def find_file(module: str, root: Path) -> Path | None:
    """Return the file of a module below `root`, relative to it; None if there is none."""
    path = Path(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if (root / file).is_file():
            return file
    return None


def find_reachable(modules: Iterable[str], root: Path) -> tuple[set[Path], set[str]]:
    """Follow the imports of modules.

    Args:
        modules: Names of modules below `root`.
        root: The folder with the top-level packages.

    Returns:
        The files that these modules can import, relative to `root`, and the names of the modules
        outside that they can import.
    """
    files: set[Path] = set()
    outside: set[str] = set()
    visited: set[str] = set()
    waiting = set(modules)
    while waiting:
        module = waiting.pop()
        visited.add(module)
        parent = module.rpartition(".")[0]
        file = find_file(module, root)
        if file is None:
            if not parent or find_file(parent, root) is None:
                outside.add(module)
        elif file not in files:
            files.add(file)
            found = find_imports((root / file).read_bytes())
            waiting |= found.union([parent] if parent else []) - visited
    return files, outside


def find_code(modules: Iterable[str], root: Path) -> set[Path]:
    """Find the files that modules need: what they can import, and the data files next to it.

    Args:
        modules: Names of modules below `root`.
        root: The folder with the top-level packages.

    Returns:
        Paths relative to `root`.
    """
    files, _ = find_reachable(modules, root)
    folders = {root / file.parent for file in files}
    data = {path.relative_to(root) for folder in folders for path in find_data(folder)}
    return files | data


def find_data(folder: Path) -> Iterator[Path]:
    """Yield the data files of a package, without those of the packages inside it."""
    for path in folder.iterdir():
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            yield path
        elif path.is_dir() and not (path / "__init__.py").is_file():
            yield from find_data(path)


def lay_out_code(modules: Sequence[str]) -> None:
    """Copy the code that these modules need to /image/code."""
    root = Path.cwd()
    if missing := [module for module in modules if find_file(module, root) is None]:
        sys.exit(f"no such module: {', '.join(missing)}")
    target = get_place(IMAGE / "code", APP)
    for file in find_code(modules, root):
        (target / file.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(root / file, target / file)
    finish(IMAGE / "code")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "shared":
        lay_out_shared(arguments)
    elif command == "image":
        lay_out_image(*arguments)
    else:
        lay_out_code(arguments)
