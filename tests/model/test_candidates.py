"""Every candidate can be served: as ONNX, as a pickle, and by skops, with the same answers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from pipeline.model import candidates, export, onnx
from pipeline.model.bundle import ONNX, PICKLE
from pipeline.model.calibration import fit_calibrated
from pipeline.model.candidates import CANDIDATES, Candidate
from pipeline.model.cross_validation import cross_validate
from pipeline.model.selection import Selection, select_candidate
from pipeline.model.training_data import TrainingData

every_candidate = pytest.mark.parametrize(
    "candidate", CANDIDATES, ids=lambda candidate: candidate.name
)


@every_candidate
def test_the_graph_answers_as_the_model(
    candidate: Candidate, splits: dict[str, TrainingData]
) -> None:
    """On the rows, the extremes and a grid of recordable values the served graph differs by less than the gate allows."""
    model = candidate.build_calibrated(seed=1, folds=2).fit(*splits["train"])
    assert (
        export.max_onnx_difference(model, export.to_onnx(model), splits["test"].rows, seed=1) < 1e-6
    )


@every_candidate
def test_one_seed_gives_the_same_bytes(
    candidate: Candidate, splits: dict[str, TrainingData]
) -> None:
    """Two fits of the same rows with the same seed are the same file."""
    first, second = (
        export.to_onnx(candidate.build_calibrated(seed=1, folds=2).fit(*splits["train"]))
        for _ in range(2)
    )
    assert first == second


@every_candidate
def test_skops_trusts_just_what_is_listed(
    candidate: Candidate, splits: dict[str, TrainingData]
) -> None:
    """The file holds no type beyond the list, so it can be loaded without running what it brings."""
    import skops.io

    data = skops.io.dumps(candidate.build_calibrated(seed=1, folds=2).fit(*splits["train"]))
    assert set(skops.io.get_untrusted_types(data=data)) <= set(candidates.TRUSTED_TYPES)
    loaded = skops.io.loads(data, trusted=candidates.TRUSTED_TYPES)
    assert (
        candidates.positive_probability(loaded, splits["test"].rows).shape
        == splits["test"].labels.shape
    )


@every_candidate
def test_calibration_changes_no_ranking_and_no_label(
    candidate: Candidate, splits: dict[str, TrainingData]
) -> None:
    """The served model calls the rows positive that the searched one did at the chosen cut."""
    train, test = splits["train"], splits["test"]
    plain = candidate.build(seed=1).fit(*train)
    score = candidates.decision_scores(plain, train.rows)
    cut = float(np.quantile(score, 0.6)) + 1e-9
    fitted = fit_calibrated(Selection(candidate, cut, {}), train, folds=2, seed=1)
    assert np.array_equal(fitted.predict(train.rows).positive, score >= cut)
    order = np.argsort(candidates.decision_scores(plain, test.rows), kind="stable")
    assert (
        np.diff(candidates.positive_probability(fitted.model, test.rows)[order]) >= -1e-12
    ).all()


@every_candidate
def test_risks_are_shares(candidate: Candidate, splits: dict[str, TrainingData]) -> None:
    """Class weights or not: the mean predicted risk is near the share of positive rows."""
    model = candidate.build_calibrated(seed=1, folds=2).fit(*splits["train"])
    label = splits["train"].labels
    assert candidates.positive_probability(model, splits["train"].rows).mean() == pytest.approx(
        label.mean(), abs=0.03
    )


def test_names_tell_candidates_apart() -> None:
    """Ties are broken by name, so each has its own."""
    assert len({candidate.name for candidate in CANDIDATES}) == len(CANDIDATES)


def test_the_pickle_answers_as_the_graph(splits: dict[str, TrainingData]) -> None:
    """A folder that holds only model.pkl serves the same probabilities and labels."""
    fitted = fit_calibrated(Selection(CANDIDATES[1], 0.5, {}), splits["train"], folds=2, seed=1)
    files = export.export_files(fitted.model)
    assert set(files) == {ONNX, PICKLE}
    unpickled = pickle.loads(files[PICKLE])
    served = onnx.positive_probability(onnx.open_graph(files[ONNX]), splits["test"].rows)
    ours = candidates.positive_probability(unpickled, splits["test"].rows)
    assert served == pytest.approx(ours, abs=1e-6)
    assert np.array_equal(served >= fitted.threshold, ours >= fitted.threshold)


def test_number_of_processes_changes_nothing(
    splits: dict[str, TrainingData], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process or two: the same ranking, cut and predictions."""
    import joblib

    from pipeline.settings import TrainSettings

    class OneProcess(joblib.Parallel):  # type: ignore[misc]  # joblib publishes no types
        def __init__(self, n_jobs: int) -> None:
            super().__init__(n_jobs=1)

    def found() -> tuple[object, ...]:
        choice = select_candidate(splits["train"], TrainSettings(folds=2), seed=1)
        folds = cross_validate(splits["train"], TrainSettings(folds=2), 1, [choice.candidate])
        return (
            choice.ranking,
            choice.score_threshold,
            [fold.predictions.probability.tolist() for fold in folds],
        )

    several = found()
    monkeypatch.setattr(joblib, "Parallel", OneProcess)
    assert found() == several


def test_examples_hold_the_extremes(splits: dict[str, TrainingData]) -> None:
    """Stored examples cover both ends of every feature, and are what the model answers."""
    model = CANDIDATES[0].build_calibrated(seed=1, folds=2).fit(*splits["train"])
    examples = export.make_examples(model, splits["train"].rows, seed=1)
    inputs = np.array(examples.inputs, dtype=np.float32)
    assert len(inputs) == export.EXAMPLE_ROWS + len(export.make_extreme_rows())
    assert candidates.positive_probability(model, inputs).tolist() == examples.fail_probability
    for row in export.make_extreme_rows():
        assert (inputs == row).all(axis=1).any()


def test_background_is_a_plain_sample(splits: dict[str, TrainingData]) -> None:
    """Explanations are taken against rows of gold, drawn by the seed, as they were recorded."""
    drawn = export.sample_background(splits["train"].rows, seed=1)
    assert len(drawn) == export.BACKGROUND_ROWS
    assert drawn == export.sample_background(splits["train"].rows, seed=1)
    recorded = {tuple(row) for row in splits["train"].rows.tolist()}
    assert all(tuple(np.array(row, dtype=np.float32).tolist()) in recorded for row in drawn)
