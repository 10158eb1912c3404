"""The dependency group of an image has the packages that the image's code imports."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from images.layers import find_code, find_reachable
from k8s.images import Artifact, list_artifacts, list_modules
from pipeline.columns import BUNDLED
from pipeline.stages import STAGES
from tests.support.helm import ROOT

ARTIFACTS = {artifact.name: artifact for artifact in list_artifacts()}
NAMES = [*(stage.name for stage in STAGES), "worker", "predictor"]

NOT_IMPORTED = {
    "dask": "joblib's Dask backend imports it",
    "fastapi-offline": "the predictor serves the files in it",
    "skops": "MLflow uses it to read and write scikit-learn models",
    "bokeh": "Dask draws its dashboard and its report with it",
    "httptools": "uvicorn loads it by name, as its faster parser",
    "uvloop": "uvicorn loads it by name, as its faster event loop",
}
"""Direct dependencies that no module imports, with the reason for each."""

ABSENT = {
    ("predictor", "sklearn"): "only a models/ folder without ONNX needs it: group serving-pickle",
    ("train", "lightgbm"): "only MLOPS_TRAIN__LIGHTGBM needs it: build argument EXTRA_GROUPS",
    ("worker", "lightgbm"): "only MLOPS_TRAIN__LIGHTGBM needs it: build argument EXTRA_GROUPS",
    ("worker", "skl2onnx"): "workers fit models, and `train` converts them",
}
"""Packages that an image's code can import and does not need, with the reason for each."""


@cache
def load_lock() -> dict[str, dict[str, Any]]:
    """Return the packages of uv.lock by name."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    return {package["name"]: package for package in lock["package"]}


def get_direct(group: str | None) -> set[str]:
    """Return the packages that a dependency group names, or those of the project for None."""
    project = load_lock()["student-mlops"]
    items = project["dev-dependencies"][group] if group else project["dependencies"]
    return {item["name"] for item in items}


def get_closure(names: set[str]) -> set[str]:
    """Return packages with all that they need, whichever extras are installed."""
    closure: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in closure:
            closure.add(name)
            package = load_lock()[name]
            extras = package.get("optional-dependencies", {})
            waiting += [item["name"] for item in package.get("dependencies", [])]
            waiting += [item["name"] for extra in extras.values() for item in extra]
    return closure


@cache
def get_distributions() -> Mapping[str, list[str]]:
    """Return the installed distributions that contain each top-level module."""
    return packages_distributions()


def get_imported_packages(artifact: Artifact) -> dict[str, set[str]]:
    """Return what an image's code imports: top-level module -> packages that contain it.

    Every context offers the registry, but MLflow is imported only if a module asks for it.
    """
    files, external = find_reachable(list_modules(artifact), ROOT)
    registry = (Path("pipeline/context.py"), Path("pipeline/tracking/registry.py"))
    own = [ROOT / file for file in files if file not in registry]
    if not any(re.search(r"context\.registry\b|\bRegistry\b", path.read_text()) for path in own):
        mlflow = {module for module in external if module.split(".")[0] == "mlflow"}
        external -= {"requests", *mlflow}
    distributions = get_distributions()
    modules = {module.split(".")[0] for module in external} - sys.stdlib_module_names
    return {
        module: {name.lower().replace("_", "-") for name in distributions.get(module, [module])}
        for module in modules
    }


def get_group(name: str) -> str:
    return "serving" if name == "predictor" else name


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_what_its_code_imports(name: str) -> None:
    """The image's dependency group has every package that its code can import."""
    present = get_closure(get_direct(get_group(name)) | get_direct(None))
    missing = {
        module
        for module, packages in get_imported_packages(ARTIFACTS[name]).items()
        if not packages & present
    }
    assert missing - {module for image, module in ABSENT if image == name} == set()


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_no_package_that_its_code_does_not_import(name: str) -> None:
    """The image's code imports every package of its group, apart from those in NOT_IMPORTED."""
    imported = set().union(*get_imported_packages(ARTIFACTS[name]).values())
    assert get_direct(get_group(name)) - imported - NOT_IMPORTED.keys() == set()


def test_the_local_environment_has_every_stage() -> None:
    """`make run` runs every stage in one environment."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = {
        item["include-group"]
        for item in project["dependency-groups"]["local"]
        if isinstance(item, dict)
    }
    assert {stage.name for stage in STAGES} <= included


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_the_survey_columns(name: str) -> None:
    """The image has the columns file that it uses unless the release has another."""
    code = find_code(list_modules(ARTIFACTS[name]), ROOT)
    assert Path("pipeline/columns.py") in code
    assert BUNDLED.relative_to(ROOT) in code
