"""Every candidate can be served: as an ONNX graph and as a pickle, with the same answers."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any, cast

import numpy as np
import pytest
import skops.io
from onnx import ModelProto
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from pipeline.columns import FEATURE_NAMES, FEATURES
from pipeline.errors import SettingsError
from pipeline.model import candidates, encoding, export, families, lightgbm_trees, onnx
from pipeline.model.bundle import ONNX, PICKLE
from pipeline.model.calibration import fit_calibrated
from pipeline.model.candidates import CANDIDATES
from pipeline.model.cross_validation import cross_validate
from pipeline.model.families import Candidate
from pipeline.model.intervals import roc_auc
from pipeline.model.selection import Selection, select_candidate
from pipeline.model.training_data import TrainingData, concatenate
from pipeline.settings.training import TrainSettings

Splits = dict[str, TrainingData]


ALL = candidates.make_candidates(FEATURES, TrainSettings(lightgbm=True))


@pytest.fixture(scope="module", params=ALL, ids=lambda candidate: candidate.name)
def candidate(request: pytest.FixtureRequest) -> Candidate:
    """A candidate."""
    return cast(Candidate, request.param)


@pytest.fixture(scope="module")
def model(candidate: Candidate, splits: Splits) -> Pipeline:
    """The candidate, calibrated and fitted on the train split."""
    return fit_calibrated(Selection(candidate, 0.0, {}), splits["train"], folds=2, seed=1).model


@pytest.fixture(scope="module")
def graph(model: Pipeline) -> bytes:
    """The model's ONNX graph."""
    return export.to_onnx(model)


def test_the_graph_gives_the_probabilities_of_the_model(
    model: Pipeline, graph: bytes, splits: Splits
) -> None:
    """On rows, extremes and a grid the difference is below the bound of max_onnx_difference."""
    assert export.max_onnx_difference(model, graph, splits["test"].rows, seed=1) < 1e-6


def test_equal_seeds_give_equal_bytes(candidate: Candidate, graph: bytes, splits: Splits) -> None:
    """A second fit on the same rows with the same seed exports the same graph."""
    again = fit_calibrated(Selection(candidate, 0.0, {}), splits["train"], folds=2, seed=1)
    assert export.to_onnx(again.model) == graph


def test_operator_sets_in_any_order_give_equal_bytes(graph: bytes) -> None:
    """skl2onnx lists them in an order that differs between processes."""
    reordered = ModelProto.FromString(graph)
    operators = list(reordered.opset_import)[::-1]
    assert len(operators) == 2
    del reordered.opset_import[:]
    reordered.opset_import.extend(operators)
    assert reordered.SerializeToString(deterministic=True) != graph
    assert export.serialize(reordered) == graph


def test_skops_needs_to_trust_only_the_listed_types(model: Pipeline, splits: Splits) -> None:
    """The skops file loads with TRUSTED_TYPES, so loading runs no code from the file."""
    data = skops.io.dumps(model)
    assert set(skops.io.get_untrusted_types(data=data)) <= set(candidates.TRUSTED_TYPES)
    loaded = skops.io.loads(data, trusted=candidates.TRUSTED_TYPES)
    rows = splits["test"].rows
    expected = candidates.positive_probability(model, rows)
    assert (candidates.positive_probability(loaded, rows) == expected).all()


def test_the_pickle_gives_the_probabilities_of_the_graph(
    model: Pipeline, graph: bytes, splits: Splits
) -> None:
    """A predictor that finds only model.pkl predicts the same."""
    files = export.export_files(model)
    assert files[ONNX] == graph
    rows = splits["test"].rows
    served = onnx.positive_probability(onnx.open_graph(graph), rows)
    unpickled = candidates.positive_probability(pickle.loads(files[PICKLE]), rows)
    assert served == pytest.approx(unpickled, abs=1e-6)


def test_calibration_keeps_ranking_and_labels(candidate: Candidate, splits: Splits) -> None:
    """The calibrated model predicts positive where the uncalibrated score reaches the threshold."""
    train, test = splits["train"], splits["test"]
    uncalibrated = candidate.build(seed=1).fit(*train[:2])
    scores = candidates.decision_scores(uncalibrated, train.rows)
    threshold = float(np.quantile(scores, 0.6)) + 1e-9
    fitted = fit_calibrated(Selection(candidate, threshold, {}), train, folds=2, seed=1)
    assert np.array_equal(fitted.predict(train.rows).positive, scores >= threshold)
    order = np.argsort(candidates.decision_scores(uncalibrated, test.rows), kind="stable")
    probabilities = candidates.positive_probability(fitted.model, test.rows)[order]
    assert (np.diff(probabilities) >= -1e-12).all()


def test_a_model_that_one_fold_calibrates_can_be_served(
    candidate: Candidate, splits: Splits
) -> None:
    """As for large tables: it ranks as the candidate that learned from all rows does."""
    train, test = splits["train"], splits["test"]
    selection = Selection(candidate, 0.0, {}, one_fold=TrainSettings(capacity=0.3))
    fitted = fit_calibrated(selection, train, folds=2, seed=1)
    scores = candidates.decision_scores(candidate.build(seed=1).fit(*train[:2]), test.rows)
    probabilities = candidates.positive_probability(fitted.model, test.rows)
    assert (np.diff(probabilities[np.argsort(scores, kind="stable")]) >= -1e-12).all()
    graph = export.to_onnx(fitted.model)
    assert export.max_onnx_difference(fitted.model, graph, test.rows, seed=1) < 1e-6
    data = skops.io.dumps(fitted.model)
    assert set(skops.io.get_untrusted_types(data=data)) <= set(candidates.TRUSTED_TYPES)


@pytest.mark.parametrize(
    "extremes",
    [{"sleep_hours": 24, "review_hours": 10}, {"age": 100}, {"sleep_hours": 12}],
    ids=["sleep and review", "age", "sleep"],
)
def test_one_extreme_row_changes_little(
    candidate: Candidate, splits: Splits, extremes: dict[str, float]
) -> None:
    """A legal row far from all others moves the ROC AUC on the test rows by less than 0.01."""
    train, test = splits["train"], splits["test"]
    row = train.rows[[0]].copy()
    for name, value in extremes.items():
        row[0, FEATURE_NAMES.index(name)] = value
    more = concatenate(train, TrainingData(row, np.array([0])))
    before, after = (
        roc_auc(
            test.labels, candidates.decision_scores(candidate.build(1).fit(*data[:2]), test.rows)
        )
        for data in (train, more)
    )
    assert after == pytest.approx(before, abs=0.01)


def test_bins_come_from_the_data_dictionary() -> None:
    """Numbers have bins of equal width over their typical range, categories one per code."""
    edges = [encoding.get_bin_edges(feature, 5).tolist() for feature in FEATURES]
    assert edges == [
        [24, 30, 36, 42, 48, 54],
        [-1, 0.5, 2],
        [3, 4, 5, 6, 7, 8],
        [-1, 0.25, 0.75, 2],
        [1, 2, 3, 4, 5, 6],
    ]


def test_probabilities_are_calibrated(model: Pipeline, splits: Splits) -> None:
    """With or without class weights, the mean probability is near the positive fraction."""
    rows, labels = splits["train"][:2]
    mean = candidates.positive_probability(model, rows).mean()
    assert mean == pytest.approx(labels.mean(), abs=0.03)


def test_lightgbm_is_a_candidate_on_request_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package, `train` says how to install it."""
    assert [one.family for one in ALL if one not in CANDIDATES].count("lightgbm") == 1
    assert not {"lightgbm"} & {one.family for one in CANDIDATES}
    monkeypatch.setattr(families, "find_spec", lambda _: None)
    assert len(candidates.make_candidates(FEATURES, TrainSettings())) == len(CANDIDATES)
    with pytest.raises(SettingsError, match=r"uv sync .*--group lightgbm.*EXTRA_GROUPS=lightgbm"):
        candidates.make_candidates(FEATURES, TrainSettings(lightgbm=True))


def test_other_trees_of_lightgbm_are_refused(
    splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trees whose scores a stored model would not have are refused when they are fitted."""

    def read_rounded(root: dict[str, Any]) -> Any:
        tree = read_tree(root)
        tree["num_threshold"] = np.round(tree["num_threshold"])
        return tree

    read_tree = lightgbm_trees._read_tree
    monkeypatch.setattr(lightgbm_trees, "_read_tree", read_rounded)
    with pytest.raises(SettingsError, match=r"LightGBM \d.* cannot be stored.* would change by \d"):
        lightgbm_trees.LightGBMTrees().fit(*splits["train"][:2])


def test_names_are_unique() -> None:
    """Names break ties in the ranking."""
    assert len({candidate.name for candidate in ALL}) == len(ALL)


def test_the_number_of_processes_does_not_change_the_result(
    splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process and several give the same ranking, threshold and predictions."""
    import joblib

    parallel = joblib.Parallel

    def train(processes: int) -> tuple[object, ...]:
        monkeypatch.setattr(joblib, "Parallel", lambda n_jobs: parallel(n_jobs=processes))
        settings, few = TrainSettings(folds=2), CANDIDATES[:3]
        selection = select_candidate(splits["train"], settings, 1, few)
        folds = cross_validate(splits["train"], settings, 1, few)
        predictions = [fold.predictions.probability.tolist() for fold in folds]
        return selection.ranking, selection.score_threshold, predictions

    with threadpool_limits(2):  # of this process only; `make test` allows each process one thread
        assert train(processes=1) == train(processes=2)


def test_examples_include_the_extremes(splits: Splits) -> None:
    """Examples cover both ends of every feature, with the model's probabilities."""
    model = CANDIDATES[1].build_calibrated(seed=1, folds=2).fit(*splits["train"][:2])
    examples = export.make_examples(model, seed=1)
    inputs = np.array(examples.inputs, dtype=np.float32)
    assert len(inputs) == export.EXAMPLE_ROWS + len(export.make_extreme_rows())
    assert candidates.positive_probability(model, inputs).tolist() == examples.expected
    for row in export.make_extreme_rows():
        assert (inputs == row).all(axis=1).any()


def test_running_a_graph_needs_no_training_packages() -> None:
    """The predictor's image has neither pandas nor scikit-learn nor MLflow."""
    program = "import pipeline.model.onnx, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"pandas", "sklearn", "mlflow", "skl2onnx"} & set(loaded)
