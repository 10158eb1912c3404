"""The command `run`: which stages follow which, and the prediction that it shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from pipeline.commands import run
from pipeline.commands.run import RunLog
from pipeline.context import Context
from pipeline.errors import LakeError, PipelineError, SourceError, StageSkipped
from pipeline.stages import features, ingest, preprocess, promote, register, validate
from pipeline.storage.exclusion import exclude_stages
from tests.support.http_server import Request, Response, serve

MakeContext = Callable[..., Context]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the stages that were run; they do nothing."""
    names: list[str] = []
    for stage in (ingest, preprocess, features, register, validate, promote):
        name = stage.__name__.rpartition(".")[2]
        monkeypatch.setattr(stage, "run", lambda context, name=name: names.append(name))
    return names


def skip(context: Context) -> None:
    raise StageSkipped("no reason")


def test_a_skipped_stage_is_logged_with_its_reason(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage that has nothing to do is no failure; its duration counts too."""
    monkeypatch.setattr(validate, "run", skip)
    log = RunLog()
    assert not log.run_stage("validate", make_context())
    assert log.skipped == {"validate": "no reason"}
    assert log.seconds["validate"] >= 0


def test_a_stage_does_not_start_during_an_erasure(
    make_context: MakeContext, calls: list[str]
) -> None:
    """It could write the person's rows again."""
    context = make_context()
    with exclude_stages(context.lake, "ann"), pytest.raises(LakeError, match="did not start"):
        RunLog().run_stage("features", context)
    assert not calls


def test_generated_rows_replace_an_unreachable_drive(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default source is on Google Drive; without internet the run uses generated rows."""
    sources: list[str] = []

    def fetch(context: Context) -> None:
        sources.append(context.settings.ingest.source)
        if sources[-1].startswith("gdrive:"):
            raise SourceError("no connection")

    monkeypatch.setattr(ingest, "run", fetch)
    context = run._ingest(make_context(ingest={"source": "gdrive:abc"}), RunLog())
    assert sources == ["gdrive:abc", "sample"]
    assert context.settings.ingest.source == "sample"


def test_another_source_is_not_replaced(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's own file that cannot be read is an error."""

    def fail(context: Context) -> None:
        raise SourceError("no such file")

    monkeypatch.setattr(ingest, "run", fail)
    with pytest.raises(SourceError):
        run._ingest(make_context(ingest={"source": "mine.csv"}), RunLog())


@pytest.mark.parametrize(
    ("skipped", "expected"),
    [(None, ["validate", "promote"]), (validate, []), (register, [])],
    ids=["passes", "fails validation", "is not registered"],
)
def test_a_candidate_is_deployed_if_it_passes(
    make_context: MakeContext,
    monkeypatch: pytest.MonkeyPatch,
    calls: list[str],
    skipped: ModuleType | None,
    expected: list[str],
) -> None:
    """Nothing is validated that was not registered, nor promoted that did not pass."""
    context, log = make_context(), RunLog()
    monkeypatch.setattr(type(context.registry), "get_by_alias", lambda *_: "an old version")
    if skipped:
        monkeypatch.setattr(skipped, "run", skip)
    log.run_stage("register", context)
    calls.clear()
    assert run._deploy(context, log) == (skipped is None)
    assert calls == expected


def test_without_a_model_the_run_fails(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has the reasons of the stages that had nothing to do."""
    context, log = make_context(), RunLog(skipped={"register": "min_recall is 0.2"})
    monkeypatch.setattr(type(context.registry), "get_by_alias", lambda *_: None)
    with pytest.raises(PipelineError, match=r"no model to serve\. register: min_recall is 0\.2"):
        run._deploy(context, log)


def test_the_example_row_is_explained() -> None:
    """The row is the example of the predictor's own columns; it is no live traffic."""
    requests: list[Any] = []
    row = {"machine": "lathe", "hours": 7}
    features = [{"name": name, "example": value} for name, value in row.items()]

    def handle(request: Request) -> Response:
        if request.path == "/columns":
            return Response(200, {"features": features})
        requests.append((request.path, request.headers["Authorization"], json.loads(request.body)))
        return Response(200, {"predictions": []})

    with serve(handle) as url:
        answer = run.predict(url, "secret")
    assert requests == [("/predict?explain=true&log=false", "Bearer secret", row)]
    assert answer == {"row": row, "answer": {"predictions": []}}


def test_a_failed_prediction_names_the_predictor() -> None:
    """A response with an error and a refused connection are the same kind of failure."""
    with (
        serve(lambda _: Response(500, {})) as url,
        pytest.raises(PipelineError, match=f"{url} returned no prediction: .*500"),
    ):
        run.predict(url)
    with pytest.raises(PipelineError, match=f"{url} returned no prediction: .*refused"):
        run.predict(url)
