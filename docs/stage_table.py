"""Blocks of hand-written files that list the stages, generated from the stage table.

A block is the text between a line that contains `BEGIN <name>` and one that contains `END <name>`.
`make docs` rewrites the blocks, and tests/meta fails when one differs from the table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from pipeline.stages import DAGS, STAGES, Stage, get_dag_stages, get_task_modules
from pipeline.storage.access import SERVICES

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SKAFFOLD = ROOT / "skaffold.yaml"
VALUES = ROOT / "charts" / "student-mlops" / "values.yaml"


def readme() -> str:
    """Return README.md with the current stage table."""
    return replace_block(README.read_text(), "stage table", f"\n{markdown_table()}\n\n")


def skaffold() -> str:
    """Return skaffold.yaml with the current artifacts and Helm values."""
    artifacts = "".join(artifact(stage) for stage in STAGES) + worker_artifact()
    text = replace_block(SKAFFOLD.read_text(), "stage images", artifacts)
    images = [item["image"] for item in yaml.safe_load(text)["build"]["artifacts"]]
    templates = "".join(value_templates(image) for image in images)
    return replace_block(text, "image values", templates)


def chart_values() -> str:
    """Return the chart's values.yaml with the current images and resources of the stages."""
    text = VALUES.read_text()
    images = "".join(
        f"  # Image of the stage `{stage.name}`.\n"
        f"  {stage.name}: {{repository: {repository(stage.name)}}}\n"
        for stage in STAGES
    )
    resources = "".join(
        f"  # Pod of the stage `{stage.name}`: its `resources`.\n"
        f"  {stage.name}: {{resources: {flow_resources(stage)}}}\n"
        for stage in STAGES
    )
    identities = "".join(
        f"    # Identity of {subject}.\n"
        f'    {name}: {{existingSecret: "", serviceAccountAnnotations: {{}}}}\n'
        for name, subject in subjects().items()
    )
    text = replace_block(text, "stage images", f"\n{images}\n")
    text = replace_block(text, "identities", f"\n{identities}\n")
    return replace_block(text, "stage resources", f"\n{resources}\n")


def subjects() -> dict[str, str]:
    """Return who has each identity of the object store."""
    services = {name: service.subject for name, service in SERVICES.items()}
    return {stage.name: f"the stage `{stage.name}`" for stage in STAGES} | services


def markdown_table() -> str:
    """Return the stage table in Markdown."""
    rows = [
        (
            dag,
            f"[`{stage.name}`](/pipeline/stages/{stage.name}.py)",
            stage.summary,
            stage.reads,
            stage.writes,
        )
        for dag in DAGS
        for stage in get_dag_stages(dag)
    ]
    return table(("DAG", "stage", "what it does", "reads", "writes"), rows)


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    escaped = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    lines = [header, tuple("---" for _ in header), *escaped]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def repository(name: str) -> str:
    """Return the repository of an image, without its registry."""
    return f"student-mlops/{name}"


def artifact(stage: Stage) -> str:
    """Return the Skaffold artifact of a stage's image."""
    arguments = {"STAGE": stage.name}
    if stage.commands:
        arguments["COMMANDS"] = " ".join(f"pipeline.commands.{name}" for name in stage.commands)
    return format_artifact(stage.name, arguments)


def worker_artifact() -> str:
    """Return the Skaffold artifact of the image of Dask's scheduler and workers."""
    modules = " ".join(("pipeline.commands.dask", "pipeline.compute.task", *get_task_modules()))
    return format_artifact("worker", {"STAGE": "worker", "MODULES": modules})


def format_artifact(name: str, arguments: dict[str, str]) -> str:
    """Return the Skaffold artifact of an image that images/stage.Dockerfile builds."""
    registry = yaml.safe_load(VALUES.read_text())["image"]["registry"]
    arguments["CODE_VERSION"] = "'{{default \"unknown\" .CODE_VERSION}}'"
    lines = [
        f"    - image: {registry}/{repository(name)}",
        "      docker:",
        "        dockerfile: images/stage.Dockerfile",
        "        buildArgs:",
        *(f"          {name}: {value}" for name, value in arguments.items()),
    ]
    return "\n".join(lines) + "\n"


def value_templates(image: str) -> str:
    """Return the chart values of an artifact, as Skaffold's templates of its reference."""
    name = image.rpartition("/")[2]
    suffix = re.sub(r"[/.:-]", "_", image)
    fields = {"repository": "IMAGE_REPO", "tag": "IMAGE_TAG", "digest": "IMAGE_DIGEST"}
    return "".join(
        f'          images.{name}.{key}: "{{{{.{variable}_{suffix}}}}}"\n'
        for key, variable in fields.items()
    )


def flow_resources(stage: Stage) -> str:
    """Return a stage's resources as a YAML mapping on one line."""
    own = stage.resources
    requests = f"{{cpu: {own.cpu}, memory: {own.memory}}}"
    return f"{{requests: {requests}, limits: {{memory: {own.memory_limit}}}}}"


def replace_block(text: str, name: str, content: str) -> str:
    """Replace the text between the lines that contain `BEGIN name` and `END name`.

    Raises:
        ValueError: If the text does not have exactly one such block.
    """
    pattern = rf"(^[^\n]*\bBEGIN {name}\b[^\n]*\n).*?(^[^\n]*\bEND {name}\b)"
    replaced, count = re.subn(
        pattern, lambda match: match[1] + content + match[2], text, flags=re.MULTILINE | re.DOTALL
    )
    if count != 1:
        raise ValueError(f"expected one block {name!r} between BEGIN and END, found {count}")
    return replaced
