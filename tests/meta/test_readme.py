"""The Markdown pages name only files, settings, targets, commands and modules that exist."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

from pipeline.__main__ import COMMANDS
from pipeline.drift.report import Report
from pipeline.environment import variables
from pipeline.stages import STAGES
from serving.service import Service
from serving.settings import Settings

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
MAX_COLUMNS = 100
ADDED_BY_THE_GUIDE = {"add-a-stage.md": {"notify"}}
"""Stages that a page adds to a copy of the repository."""

every_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix()
)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


def code(page: Path) -> list[str]:
    """Return the lines of code blocks and the inline code of a page."""
    text = page.read_text()
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()] + re.findall(
        r"`([^`]+)`", rest
    )


def prose(page: Path) -> Iterator[str]:
    """Yield the lines that are not in a code block, a table, a picture or a generated comment."""
    in_block = False
    for line in page.read_text().splitlines():
        if line.startswith("```"):
            in_block = not in_block
        elif not in_block and not line.startswith(("|", "![", "<!--")):
            yield line


@every_page
def test_links_have_a_target(page: Path) -> None:
    """Every relative link is a file of this repository, and its anchor a heading of that file."""
    missing = []
    for path, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?", page.read_text()):
        if "://" in path:
            continue
        target = ROOT / path[1:] if path.startswith("/") else page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(f"{path}#{anchor}")
    assert missing == []


@every_page
def test_settings_exist(page: Path) -> None:
    """Every variable is a setting; `MLOPS_DRIFT__` stands for a section of them."""
    settings = set(variables(Settings))
    shown_as_wrong = set(re.findall(r"(MLOPS_\w+) is not a setting", page.read_text()))
    unknown = {
        name
        for name in re.findall(r"\bMLOPS_[A-Z0-9_]+", page.read_text())
        if name not in settings | shown_as_wrong
        and not (name.endswith("__") and any(setting.startswith(name) for setting in settings))
    }
    assert unknown == set()


@every_page
def test_make_targets_exist(page: Path) -> None:
    """Every word after `make`, up to a comment or a variable, is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    calls = [match for line in code(page) for match in re.findall(r"\bmake((?: [a-z0-9]+)+)", line)]
    assert {target for call in calls for target in call.split()} - targets == set()


@every_page
def test_commands_exist(page: Path) -> None:
    """Every `python -m pipeline COMMAND` is a stage or a command, every other module exists."""
    known = {stage.name for stage in STAGES} | set(COMMANDS)
    known |= ADDED_BY_THE_GUIDE.get(page.name, set())
    unknown = set()
    for line in code(page):
        for module, word in re.findall(r"python -m ([\w.]+)(?: ([a-z]\w*))?", line):
            if module == "pipeline" and word and word not in known:
                unknown.add(word)
            if importlib.util.find_spec(module) is None:
                unknown.add(module)
    assert unknown == set()


@every_page
def test_prose_is_narrow(page: Path) -> None:
    """Lines of prose have at most MAX_COLUMNS characters, so that a diff can be read."""
    assert [line for line in prose(page) if len(line) > MAX_COLUMNS] == []


def test_the_drift_guide_names_fields_of_the_report() -> None:
    """Each field that the page explains is a field of drift_report.json."""
    page = (ROOT / "docs" / "how-to" / "read-a-drift-report.md").read_text()
    bullets = re.findall(r"^- (.*?)(?: is| compares| records|:)", page, re.MULTILINE)
    fields = [name for bullet in bullets for name in re.findall(r"\*\*(\w+)\*\*", bullet)]
    assert len(fields) >= 8
    assert set(fields) - set(Report.model_fields) == set()


def test_the_tree_lists_every_package() -> None:
    """The tree in README names only what exists, and every folder on top and in both packages."""
    tree = re.search(r"^```\nMakefile .*?^```", README.read_text(), re.DOTALL | re.MULTILINE)
    assert tree is not None
    listed, parent = set(), ""
    for line in tree[0].splitlines()[1:-1]:
        name = line.split()[0]
        if not line.startswith(" "):
            parent = name
        listed.add(name if parent == name else parent + name)
    assert [path for path in listed if not (ROOT / path).exists()] == []
    packages = [path for top in ("pipeline", "serving") for path in (ROOT / top).iterdir()]
    folders = [path for path in (*ROOT.iterdir(), *packages) if path.is_dir()]
    expected = {
        f"{path.relative_to(ROOT)}/"
        for path in folders
        if not path.name.startswith((".", "__")) and path.name != "local"
    }
    assert expected - listed == set()


def test_every_guide_can_be_found() -> None:
    """README links to every page of docs/."""
    links = set(re.findall(r"\]\((docs/[^)#]+\.md)", README.read_text()))
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages - links == set()


def test_the_changelog_has_the_current_version() -> None:
    """Its newest version is that of the project, of the chart and of the images."""
    newest, *_ = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((ROOT / "charts" / "student-mlops" / "Chart.yaml").read_text())
    assert {newest, project["version"], chart["version"], chart["appVersion"]} == {newest}


def test_the_teachers_guide_names_what_the_page_shows() -> None:
    """Each bold name in docs/how-to/read-the-list.md is a text of the page, in English."""
    page = (ROOT / "docs" / "how-to" / "read-the-list.md").read_text()
    shown = (ROOT / "serving" / "page" / "words" / "en.js").read_text()
    names = set(re.findall(r"\*\*([^*]+)\*\*", page))
    assert len(names) > 8
    assert {name for name in names if f'"{name}"' not in shown} == set()


def test_alerts_use_metrics_that_exist() -> None:
    """Each metric in docs/how-to/operate.md is exposed by the predictor."""
    page = (ROOT / "docs" / "how-to" / "operate.md").read_text()
    service = Service(Settings.load({"MLOPS_PREDICTOR__OIDC__ISSUER": "https://login.test"}))
    service.metrics.observe("/predict", 200, 0.001)
    text = generate_latest(service.registry).decode()
    names = set(re.findall(r"\bpredictor_\w+", page))
    assert len(names) > 8
    assert {name for name in names if not re.search(rf"^(# TYPE )?{name}\b", text, re.M)} == set()
