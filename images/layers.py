"""Lays out the files of an image so that equal parts of images are equal layers. Runs inside a build, on the standard library.

    layers.py shared LIST...    installs the packages of each list into a folder of its own, /shared/LIST
    layers.py image LIST        puts into /image the shared folders whose packages LIST all holds, the others empty, and into
                                /image/rest its other packages
    layers.py code MODULE...    puts into /image/code these modules and those of the working directory that they import

A list is /lock/LIST.txt, as `uv export` writes it. A folder holds files as they will lie below `/`; its packages are listed in
/app/layers (and no folder is empty: Docker's classic builder loses layers without files). Their times are fixed and byte code
is not checked by time, so that the same versions give the same bytes, whatever image they are laid out for.
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
from collections.abc import Iterable, Sequence
from pathlib import Path

SHARED, IMAGE, APP = Path("/shared"), Path("/image"), Path("/app")
VENV = APP / ".venv"
LONG_AGO = 1_000_000_000  # any time that is not the build's


def below(folder: Path, place: Path) -> Path:
    """Where the folder keeps what will lie at `place`."""
    return folder / place.relative_to("/")


def packages(name: str) -> dict[str, str]:
    """The packages of a list: name -> the lines that require it, hashes included."""
    blocks = re.split(r"^(?=\w)", Path(f"/lock/{name}.txt").read_text(), flags=re.MULTILINE)
    found: dict[str, str] = {}
    for block in blocks:
        package, pinned, _ = block.partition("==")
        if pinned:
            found[package] = found.get(package, "") + block
    return found


def install(requirements: dict[str, str], folder: Path) -> None:
    """Installs these and nothing else into the folder; packages' own tests are left out."""
    note(folder, requirements)
    target = below(folder, VENV)
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            "uv",
            "pip",
            "install",
            f"--python={VENV}",
            f"--prefix={target}",
            "--no-deps",
            "--require-hashes",
            "--requirement=-",
        ],
        check=True,
        text=True,
        input="".join(requirements.values()),
    )
    for tests in sorted(target.rglob("tests/__init__.py")):
        if next(
            tests.parent.rglob("test_*.py"), None
        ):  # some packages call a part of themselves so
            shutil.rmtree(tests.parent, ignore_errors=True)
    finish(folder)


def note(folder: Path, names: Iterable[str]) -> None:
    """Lists the folder's packages in it."""
    place = below(folder, APP / "layers" / folder.name)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("".join(f"{name}\n" for name in names))


def finish(folder: Path) -> None:
    """Compiles the folder's modules and fixes the times of all that is in it."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(folder, stripdir=folder, quiet=2, workers=0, invalidation_mode=unchecked)
    for place, _, files in os.walk(folder):
        for name in (".", *files):
            os.utime(Path(place, name), (LONG_AGO, LONG_AGO), follow_symlinks=False)


def shared(lists: Iterable[str]) -> None:
    """/shared/LIST for each, without the packages of the lists before it; the first one's folder holds the environment too."""
    subprocess.run(["uv", "venv", VENV], check=True)
    taken: set[str] = set()
    for name in lists:
        folder = SHARED / name
        if not taken:
            shutil.copytree(VENV, below(folder, VENV), symlinks=True)
        new = {package: lines for package, lines in packages(name).items() if package not in taken}
        install(new, folder)
        taken |= new.keys()


def image(name: str) -> None:
    """/image/* for a list, from /shared and what is missing there."""
    missing = packages(name)
    for folder in SHARED.iterdir():
        present = below(folder, APP / "layers" / folder.name).read_text().split()
        if missing.keys() >= set(present):
            shutil.copytree(folder, IMAGE / folder.name, symlinks=True)
            missing = {
                package: lines for package, lines in missing.items() if package not in present
            }
        else:
            note(IMAGE / folder.name, ())
            finish(IMAGE / folder.name)
    install(missing, IMAGE / "rest")


def imports(file: Path) -> set[str]:
    """Every module that running the file can import, wherever in it; `from a import b` counts as `a` and `a.b`."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(file.read_bytes())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)
    return found


def file_of(module: str, root: Path) -> Path | None:
    """The file of a module below `root`, relative to it; None if the module is not there."""
    path = Path(*module.split("."))
    return next(
        (
            found
            for found in (path.with_suffix(".py"), path / "__init__.py")
            if (root / found).is_file()
        ),
        None,
    )


def reachable(modules: Iterable[str], root: Path) -> tuple[set[Path], set[str]]:
    """The files below `root` that these modules can import, relative to it, and what they import from elsewhere."""
    files: set[Path] = set()
    outside: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        parent = module.rpartition(".")[0]
        file = file_of(module, root)
        if file is None:
            if not parent or file_of(parent, root) is None:
                outside.add(module)
        elif file not in files:
            files.add(file)
            waiting += [*imports(root / file), *([parent] if parent else [])]
    return files, outside


def code_of(modules: Iterable[str], root: Path) -> set[Path]:
    """The files of these modules and of what they can import below `root`, with the data files beside them; relative to it."""
    files, _ = reachable(modules, root)
    beside = {
        path
        for file in files
        for path in (root / file.parent).rglob("*")
        if path.suffix not in (".py", ".pyc")
    }
    return files | {path.relative_to(root) for path in beside if path.is_file()}


def code(modules: Sequence[str]) -> None:
    """/image/code: the code that these modules need."""
    root = Path.cwd()
    if absent := [module for module in modules if file_of(module, root) is None]:
        sys.exit(f"no such module: {', '.join(absent)}")
    target = below(IMAGE / "code", APP)
    for file in code_of(modules, root):
        (target / file.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(root / file, target / file)
    finish(IMAGE / "code")


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "shared":
        shared(arguments)
    elif command == "image":
        image(*arguments)
    else:
        code(arguments)
