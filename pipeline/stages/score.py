"""Score the rows of lists with the model in production, as the predictor does.

Without options, scores every list below `bronze/scoring/`, where people upload them. --uploaded
scores one of them, and --data a file of this machine, if the lake is on disk. A list is a CSV file
with the headers of the features. Other columns, such as a name, a key or the outcome, are not read.
The model is the one in `models/`, which predictors fall back to.

Writes `silver/scores/DAY/RUN/NAME/predictions.parquet` and `.csv`, with a row for each row of the
list: its number, label and probability, and a warning if a value is outside the training data. A
row that breaks the contract of the columns file has an error instead. The stage fails if there are
more of those than MLOPS_SCORE__MAX_REJECTED_FRACTION. `scores.json` has the counts, the hashes and
the lineage. A large list has predictions in several parts.

An uploaded list is deleted for good once its predictions are stored.
"""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path

from pipeline.columns import COLUMNS_SHA256, LABEL
from pipeline.compute.parts import run_parts
from pipeline.compute.plan import print_plan
from pipeline.console import echo
from pipeline.context import Context
from pipeline.errors import DataError, PipelineError, SettingsError, SourceError, StageSkipped
from pipeline.model.bundle import ONNX, Manifest
from pipeline.scoring.batch_model import read_manifest
from pipeline.scoring.list_parts import ListFacts, ListSource, divide_list
from pipeline.scoring.part_scores import PART_MEBIBYTES, Job, PartScores, score_part
from pipeline.storage.artifacts.drift import ModelIdentity
from pipeline.storage.artifacts.scoring import ScoresManifest
from pipeline.storage.layout import (
    LIST_NAME,
    LISTS_TO_SCORE,
    SCORES,
    is_scores_manifest,
    list_to_score,
    scores_manifest,
)
from pipeline.times import utc_now
from pipeline.tracking.promotion_chain import check_fallback
from pipeline.tracking.stop_marker import read_stop

PART_BYTES = 4 << 20
"""Size of a part of a list."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the stage to its parser."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--uploaded", metavar="NAME", default="", help=f"only this list of {LISTS_TO_SCORE}"
    )
    which.add_argument(
        "--data", type=Path, metavar="FILE", help="a file of this machine, if the lake is on disk"
    )


def main(context: Context, arguments: argparse.Namespace) -> None:
    """Score the lists that the arguments name."""
    run(context, uploaded=arguments.uploaded, data=arguments.data)


def run(context: Context, *, uploaded: str = "", data: Path | None = None) -> None:
    """Score lists.

    Args:
        context: The run.
        uploaded: Name of an uploaded list; empty for all of them.
        data: A file to score instead.

    Raises:
        StageSkipped: If there is no list, or all answers are stopped.
        SettingsError: If `data` is given and the lake is on S3.
        DataError: If a list lacks a column, or too many of its rows are rejected.
        LakeError: If there is no model, or no list of that name.
        ModelRefused: If the model was trained with another columns file.
        PromotionError: If the model is not the one that the promotion records name.
    """
    lake = context.lake
    if (stop := read_stop(lake)) is not None:
        raise StageSkipped(str(stop))
    sources = find_lists(context, uploaded, data)
    failed: list[PipelineError] = []
    for source in sources:
        try:
            score_list(context, source)
        except PipelineError as error:
            failed.append(error)
            if len(sources) > 1:
                echo(f"score: {source.name} was not scored: {error}", "red")
    if failed:
        raise failed[0]


def find_lists(context: Context, uploaded: str, data: Path | None) -> list[ListSource]:
    """Find the lists to score.

    Raises:
        StageSkipped: If there are none.
        SettingsError: If `data` is given and the lake is on S3.
        SourceError: If there is no list of that name.
    """
    lake = context.lake
    if data is not None:
        # A pod's own files, such as /proc/self/environ with its S3 keys, must not become data.
        if context.settings.lake.is_s3:
            raise SettingsError(
                f"--data {data} is a path, which is refused if the lake is on S3. Upload the file "
                f"to {lake.url(LISTS_TO_SCORE)} and use --uploaded {data.name}"
            )
        return [ListSource(data.name, path=data)]
    names = [key.removeprefix(LISTS_TO_SCORE) for key in lake.keys(LISTS_TO_SCORE)]
    if uploaded:
        names = [name for name in names if name == uploaded]
    done = read_scores(context)
    if not names and (uploaded in done if uploaded else done):
        echo(f"score: run {context.run_id} has scored {', '.join(done)} already")
    elif uploaded and not names:
        raise SourceError(
            f"{lake.url(list_to_score(uploaded))} does not exist. Upload the list, then run the "
            "stage again"
        )
    elif not names:
        raise StageSkipped(f"There is no list below {lake.url(LISTS_TO_SCORE)}")
    return [ListSource(name, key=list_to_score(name)) for name in names]


def check_name(name: str) -> None:
    """Check the name of a list.

    Raises:
        SourceError: If it is not one of a CSV file.
    """
    if not re.fullmatch(LIST_NAME, name):
        raise SourceError(
            f"{name!r} cannot be the name of a list: it must end with .csv and have at most 200 "
            "characters and no slash. Rename the file"
        )


def read_scores(context: Context) -> dict[str, ScoresManifest]:
    """Return the manifests that this run has written, by the name of the list."""
    lake = context.lake
    keys = [key for key in lake.keys(SCORES) if is_scores_manifest(key, context.run_id)]
    manifests = [lake.read_model(key, ScoresManifest) for key in keys]
    return {manifest.name: manifest for manifest in manifests}


def score_list(context: Context, source: ListSource) -> None:
    """Score a list, and delete it from the lake.

    Raises:
        DataError: If the list lacks a column, or too many of its rows are rejected.
        LakeError: If there is no such list, or no model.
        PromotionError: If the model is not the one that the promotion records name.
        SourceError: If the name of the list is not one of a CSV file.
    """
    check_name(source.name)
    lake = context.lake
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    versions = lake.versions(source.key) if source.key else []
    with source.open(lake) as file:
        facts = divide_list(file, source.locate(lake), PART_BYTES)
    if not facts.parts:  # the line break was in a quoted header
        raise DataError(f"{source.locate(lake)} has a header but no rows")
    earlier = read_scores(context).get(source.name)
    if earlier and earlier.list_sha256 != facts.sha256:
        raise DataError(
            f"run {context.run_id} has scored another list of the name {source.name}. Start a run "
            "with another id"
        )
    model = read_manifest(lake)
    if context.settings.predictor.require_record:
        check_fallback(lake, model)
    job = Job(
        source=source,
        location=source.locate(lake),
        header=facts.header,
        day=day,
        run_id=context.run_id,
        is_divided=len(facts.parts) > 1,
        manifest_sha256=model.sha256,
        tolerance=context.settings.gates.max_onnx_difference,
    )
    print_plan("score", len(facts.parts), context.settings, PART_MEBIBYTES)
    results = list(run_parts(score_part, facts.parts, context, mebibytes=PART_MEBIBYTES, job=job))
    manifest = make_manifest(context, job, model, facts, results)
    report_rejected(context, job, manifest, results)
    lake.write_model(scores_manifest(day, context.run_id, source.name), manifest)
    for version in reversed(versions):  # an older version must not become the current one
        lake.erase(source.key, version)
    echo(
        f"score: {manifest.rows:,} rows of {source.name}, {manifest.positives:,} "
        f"{LABEL.positive}, {manifest.rejected:,} rejected, {manifest.warned:,} with a warning, by "
        f"version {manifest.model.version}, into {lake.url(results[0].files[-1].key)}"
    )


def make_manifest(
    context: Context, job: Job, model: Manifest, facts: ListFacts, results: list[PartScores]
) -> ScoresManifest:
    """Merge the results of the parts, and add the lineage."""
    parquet, csv = zip(*(result.files for result in results), strict=True)
    return ScoresManifest(
        run_id=context.run_id,
        name=job.source.name,
        list_sha256=facts.sha256,
        list_bytes=facts.size,
        scored_at=utc_now(),
        rows=facts.rows,
        positives=sum(part.positives or 0 for part in parquet),
        rejected=sum(result.rejected for result in results),
        warned=sum(result.warned for result in results),
        model=ModelIdentity(
            name=model.name,
            version=model.version,
            run_id=model.run_id,
            pipeline_run_id=model.lineage.pipeline_run_id,
        ),
        threshold=model.threshold,
        onnx_sha256=model.files[ONNX],
        bundle=job.manifest_sha256,
        columns=COLUMNS_SHA256,
        code_version=context.settings.code_version,
        image=context.settings.image,
        parquet=list(parquet),
        csv=list(csv),
    )


def report_rejected(
    context: Context, job: Job, manifest: ScoresManifest, results: list[PartScores]
) -> None:
    """Print how many rows were rejected, and why the first one was.

    Raises:
        DataError: If too many rows were rejected.
    """
    if not manifest.rejected:
        return
    fraction = manifest.rejected / manifest.rows
    bound = context.settings.score.max_rejected_fraction
    first = next(result for result in results if result.first_rejected)
    message = (
        f"{manifest.rejected:,} of {manifest.rows:,} rows were rejected ({fraction:.1%}). The "
        f"first is {first.first_rejected}. See {context.lake.url(first.files[-1].key)}"
    )
    if fraction > bound:
        raise DataError(
            f"{message}. At most {bound:.1%} may be (MLOPS_SCORE__MAX_REJECTED_FRACTION); repair "
            f"{job.location}"
        )
    echo(f"score: {message}", "yellow")
