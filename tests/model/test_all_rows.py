"""Histogram boosting learns from all rows of a large table, in bins of one byte."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from pipeline.columns import FEATURES, Category
from pipeline.data.synthetic import draw_values
from pipeline.model import all_rows, compact_boosting, training
from pipeline.model.all_rows import DEFAULT, fit_final, try_all_rows
from pipeline.model.budget import COLUMNS
from pipeline.model.candidates import CANDIDATES, positive_probability
from pipeline.model.compact_boosting import BinnedRows, Binning, Growth, grow, limit_rows
from pipeline.model.encoding import is_nominal, make_indicators
from pipeline.model.training import TrainingResult, train_candidate
from pipeline.model.training_data import TrainingData
from pipeline.model.training_export import export_training
from pipeline.settings import Settings

ROWS, SAMPLE = 12_000, 400
SETTINGS = Settings.model_validate(
    {
        "train": {"folds": 2, "selection_repeats": 1, "sample_rows": SAMPLE, "max_refits_mib": 1},
        "seed": 1,
    }
)
CATEGORY = next(one for one in FEATURES if isinstance(one, Category) and is_nominal(one))
GROWTH = Growth(max_iter=30, max_leaf_nodes=15, min_samples_leaf=20)


def draw(rows: int, seed: int, fine: bool = True) -> TrainingData:
    """Rows of the survey's features; a fine pattern of two, or bins of one, set the label."""
    random = np.random.default_rng(seed)
    columns = [draw_values(feature, rows, random) for feature in FEATURES]
    if fine:
        risk = 0.15 + 0.6 * ((columns[0].astype(int) // 2 + columns[2].astype(int)) % 2)
    else:
        risk = 0.1 + 0.2 * (np.minimum(columns[2].astype(int), 7) - 3)
    labels = (random.random(rows) < risk).astype(np.int64)
    return TrainingData(np.column_stack(columns).astype(np.float32), labels)


def split_binned(data: TrainingData) -> tuple[Binning, BinnedRows, BinnedRows]:
    """Return the bins of all rows but the last 2,000, and of these."""
    binning = Binning([], data.rows, seed=0)
    known, unknown = np.split(np.arange(data.labels.size), [-2_000])
    return binning, binning.apply([data.take(known)]), binning.apply([data.take(unknown)])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_model_is_that_of_scikit_learn(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of bins give the same trees as all rows in float64, with any number of threads."""
    monkeypatch.setattr(compact_boosting, "BLOCK_ROWS", 700)
    data = draw(3_000, seed=1)
    binning = Binning([], data.rows, seed=0)
    halves = [data.take(half) for half in np.split(np.arange(3_000), 2)]
    model = grow(binning.apply(halves), None, binning, GROWTH, threads)
    expected = HistGradientBoostingClassifier(**GROWTH._asdict(), early_stopping=False)
    expected.fit(data.rows, data.labels)
    probability, of_scikit_learn = (one.predict_proba(data.rows) for one in (model, expected))
    assert probability == pytest.approx(of_scikit_learn, abs=1e-9)


def test_many_categories_are_expanded_in_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block has fewer rows if categories make many columns; the bins are those of all rows."""
    codes = {str(code): float(code) for code in range(40)}
    categories = [replace(CATEGORY, name=str(at), codes=codes) for at in range(5)]
    rows = np.random.default_rng(0).integers(0, 40, (8_000, 5)).astype(np.float32)
    data = TrainingData(rows, np.zeros(8_000, np.int64))
    steps = make_indicators(categories)
    monkeypatch.setattr(compact_boosting, "BLOCK_VALUES", 100_000)
    monkeypatch.setattr(compact_boosting, "SAMPLED_VALUES", 200_000)
    tracemalloc.start()
    binning = Binning(steps, rows, seed=0)
    binned = binning.apply([data])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (binned.bins == steps[0].transform(rows)).all()
    assert peak < binned.bins.nbytes + 4_000_000  # all values as float64 are 12.8 MB


def test_the_rows_of_the_survey_are_not_limited() -> None:
    """Its few columns have 200,000 rows within the bounds, and 800 columns about 10,000."""
    bounds = (compact_boosting.SAMPLED_VALUES, all_rows.MAX_MEASURED_VALUES)
    assert [limit_rows(200_000, COLUMNS, values) for values in bounds] == [200_000, 200_000]
    assert [limit_rows(200_000, 800, values) for values in bounds] == [10_485, 10_485]
    block = compact_boosting.BLOCK_ROWS
    assert limit_rows(block, COLUMNS, compact_boosting.BLOCK_VALUES) == block


def test_held_out_rows_end_the_fit() -> None:
    """The model has the number of trees with the lowest loss on them."""
    data = draw(4_000, seed=2)
    binning, known, unknown = split_binned(data)
    growth = Growth(max_iter=200, learning_rate=0.5, max_leaf_nodes=31, min_samples_leaf=5)
    model = grow(known, unknown, binning, growth, threads=1)
    assert 1 < model.n_iter_ < 60

    def get_loss(trees: int) -> float:
        fitted = grow(known, None, binning, growth._replace(max_iter=trees), threads=1)
        probability = fitted.predict_proba(data.rows[-2_000:])[:, 1]
        right = np.where(unknown.labels == 1, probability, 1 - probability)
        return float(-np.log(right).mean())

    best = get_loss(model.n_iter_)
    assert best < min(get_loss(model.n_iter_ - 1), get_loss(model.n_iter_ + 1))


@pytest.fixture(scope="module", autouse=True)
def few_candidates() -> Iterator[None]:
    """Trainings that compare two candidates only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "make_candidates", lambda *_: CANDIDATES[:2])
        yield


@pytest.fixture(scope="module")
def result() -> TrainingResult:
    """A training on rows with a pattern that a sample does not show."""
    return train_candidate(draw(ROWS, seed=3), draw(3_000, seed=4), SETTINGS)


def test_a_better_model_of_all_rows_is_selected(result: TrainingResult) -> None:
    """It learned from the rows of both splits, and the report compares it with the sample's."""
    used = result.rows_used
    assert used.all_rows is not None
    assert used.all_rows.is_selected
    assert used.all_rows.roc_auc_gain.low > 0.05
    assert (used.compared, used.train, used.fitted) == (SAMPLE, ROWS, ROWS + 3_000)
    assert result.candidate.name == "histogram boosting, 63 leaves" == used.all_rows.candidate
    assert result.ranking.keys().isdisjoint({result.candidate.name})
    assert used.all_rows.compared_with in result.ranking
    assert f"on {ROWS:,} training rows minus that of" in used.sentence
    assert "so it replaces it. The final model learned from 15,000 of the 15,000" in used.sentence
    fresh = draw(4_000, seed=5)
    predicted = result.final.predict(fresh.rows)
    assert predicted.probability.mean() == pytest.approx(fresh.labels.mean(), abs=0.03)
    assert (predicted.positive == fresh.labels).mean() > 0.75


def test_its_graph_gives_its_probabilities(result: TrainingResult) -> None:
    """As for every candidate, and without refits."""
    exported = export_training(result, SETTINGS)
    assert exported.onnx_difference <= 1e-5
    assert exported.refits is None
    assert result.stability is None


def test_equal_seeds_give_an_equal_model(result: TrainingResult) -> None:
    """A second fit of the trial and of the final model on the same rows."""
    train, validation = draw(ROWS, seed=3), draw(3_000, seed=4)
    trial = try_all_rows(train, validation, ("", result.final), SETTINGS)
    again, _ = fit_final(trial, (train, validation), SETTINGS.seed)
    assert again.threshold == result.final.threshold
    rows = train.rows[:500]
    assert (
        positive_probability(again.model, rows) == positive_probability(result.final.model, rows)
    ).all()


def test_a_candidate_that_ranks_as_well_is_kept() -> None:
    """A model of all rows then only shows that more rows gain nothing."""
    train = SETTINGS.train.model_copy(update={"sample_rows": 1_400})
    settings = SETTINGS.model_copy(update={"train": train})
    result = train_candidate(draw(1_800, 3, fine=False), draw(600, 4, fine=False), settings)
    used = result.rows_used
    assert used.all_rows is not None
    assert (used.all_rows.learned, used.fitted) == (1_800, 1_400)
    assert not used.all_rows.is_selected
    assert used.all_rows.compared_with == result.candidate.name
    assert "so it does not replace it" in used.sentence
    assert DEFAULT.max_iter == 300
