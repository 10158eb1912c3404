"""Fits on Dask's workers give the models that fits in this process give."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import joblib
import numpy as np
import pytest

from pipeline.columns import FEATURES
from pipeline.compute import workers
from pipeline.compute.fits import share_fits
from pipeline.context import Context
from pipeline.errors import WorkersError
from pipeline.model.calibration import fit_calibrated
from pipeline.model.candidates import CANDIDATES
from pipeline.model.cross_validation import cross_validate
from pipeline.model.export import to_onnx
from pipeline.model.selection import select_candidate
from pipeline.model.training_data import TrainingData
from pipeline.settings.training import TrainSettings
from pipeline.stages.train import FITS
from tests.support.parts import DaskProcesses, dask_processes
from tests.support.rows import ROWS

pytestmark = pytest.mark.timeout(400)
SETTINGS = TrainSettings(folds=2, selection_repeats=1)


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    """A scheduler and two workers."""
    with dask_processes(tmp_path_factory.mktemp("dask")) as processes:
        processes.start_worker("two")
        yield processes


@pytest.fixture
def context(dask: DaskProcesses, make_context: Callable[..., Context]) -> Context:
    return make_context(lake={"url": dask.lake_url}, dask=dask.settings | {"timeout_seconds": 300})


def draw() -> TrainingData:
    random = np.random.default_rng(0)
    labels = (ROWS[:, 2] + random.normal(size=len(ROWS)) > 6).astype(np.int64)
    return TrainingData(ROWS.astype(np.float32), labels)


def train(data: TrainingData) -> tuple[object, ...]:
    """What a selection, a cross-validation and a fit give."""
    candidates = CANDIDATES[:3]
    selection = select_candidate(data, SETTINGS, 1, candidates)
    folds = cross_validate(data, SETTINGS, 1, candidates)
    probabilities = [fold.predictions.probability.tolist() for fold in folds]
    model = fit_calibrated(selection, data, 2, 1).model
    return selection.candidate.name, selection.ranking, probabilities, to_onnx(model)


def test_workers_give_the_same_model(
    context: Context, dask: DaskProcesses, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same candidate, ranking, predictions and bytes; both workers take part."""
    data = draw()
    client = workers.connect(context.settings.dask)
    client.wait_for_workers(2, timeout=120)
    with share_fits(context, FITS):
        shared = train(data)
    assert "the fits run on 2 workers with 2 threads" in capsys.readouterr().err
    tasks = client.get_task_stream(start=0)
    assert {task["worker"] for task in tasks} == set(client.nthreads())
    with joblib.parallel_config("sequential"):
        assert train(data) == shared
    assert len(FEATURES) == data.rows.shape[1]


def test_a_worker_of_another_lake_is_refused(context: Context, dask: DaskProcesses) -> None:
    """Before the first fit, and with what to do."""
    dask.start_worker("other", MLOPS_LAKE__URL="file:///elsewhere")
    workers.connect(context.settings.dask).wait_for_workers(3, timeout=120)
    try:
        with (
            pytest.raises(WorkersError, match=r"other has the lake .*Set MLOPS_LAKE__URL"),
            share_fits(context, FITS),
        ):
            pytest.fail("the fits began")
    finally:
        dask.kill("other")
