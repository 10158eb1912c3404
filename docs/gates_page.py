"""docs/reference/gates.md: the table of gates, and how far to trust a verdict."""

from __future__ import annotations

from pathlib import Path

from docs.stage_table import table
from pipeline.evaluation import gates
from pipeline.evaluation.judge import RATES
from pipeline.gate_table import DIFFERENCE_DISTANCE, GATES, RATE_DISTANCE, get_stage_gates
from pipeline.stages import STAGES
from pipeline.storage.artifacts.gates import GateResult

PATH = Path(__file__).parent / "reference" / "gates.md"


def _read_block(name: str) -> str:
    """The table of a page that a simulation writes, with its marks."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    _, _, rest = PATH.read_text().partition(start)
    return start + rest.partition(end)[0] + end


def _power_table() -> str:
    """The power of the gates of `evaluate` on a test split as small as the survey's."""
    results = [
        GateResult(
            name=gate.name,
            bound=gate.bound,
            reason=gate.reason,
            value=None,
            passed=True,
            power=RATES[gate.measure](gate.bound, gate.stages["evaluate"], 13, 237),
        )
        for gate in get_stage_gates("evaluate")
        if gate.measure in RATES
    ]
    rows = [(f"`{name}`", *cells) for name, *cells in gates.tabulate_power(results)]
    return table(gates.POWER_HEADER, rows)


def gates_page() -> str:
    """Return docs/reference/gates.md."""
    stages = [stage.name for stage in STAGES if get_stage_gates(stage.name)]
    rows = [
        (
            f"`{gate.name}`",
            f"{gate.bound:g}",
            *(str(gate.stages.get(stage, "")) for stage in stages),
            gate.reason,
        )
        for gate in GATES
    ]
    against_champion = "\n".join(f"- `{gate.name}`" for gate in GATES if gate.against_champion)
    return f"""# Gates

A gate is a bound that a model has to meet. The bound of a `min_` gate is the smallest number that
passes, the bound of a `max_` gate the largest. Each bound is a setting, for example
`MLOPS_GATES__MIN_ROC_AUC`. The model card and the reports of the stages have the value of every
gate.

A column per stage shows which number the stage compares with the bound: the value, the point
estimate, or an end of its 95 % interval. An empty cell means that the stage does not judge the
gate. `demote` compares upper ends, so that chance does not take a model out of production.

{table(("gate", "bound", *(f"`{stage}`" for stage in stages), "why"), rows)}

These gates compare the candidate with the champion, and pass if there is no champion:

{against_champion}

`evaluate` judges those that do not need the predictor too, to report whether the candidate is
better than the champion. They do not decide whether the candidate is registered.

## How far to trust a verdict

The reports of `evaluate`, `validate` and `demote` have the *power* of each gate that judges a
sample: how often it would decide wrongly on other test rows, with as many of each class.

- *Good refused*: the probability that a good model fails. A good model is better than the bound by
  {RATE_DISTANCE:g}, or than the champion by {DIFFERENCE_DISTANCE:g}.
- *Bad accepted*: the probability that a bad model passes. A bad model is worse by as much, but its
  ROC AUC is at least 0.5.
- *Found with 80 %*: the smallest gain over the bound with which a model passes with a probability
  of 80 %. For a gate that compares an upper end it is the smallest loss with which a model fails,
  with a minus sign.

A small *bad accepted* makes a pass mean something, a small *good refused* a failure. A gate that
compares an upper end only stops models that are clearly worse: it accepts most bad ones if the test
rows have few positives.

With 13 positive and 237 negative test rows, `evaluate` has this power:

{_power_table()}

The probabilities come from the variance of a ROC AUC ([Hanley and McNeil
1982](https://doi.org/10.1148/radiology.143.1.7063747)), the binomial distribution for recall, a
normal approximation for balanced accuracy at equal recall and specificity, and the measured
interval for a difference from the champion. For `min_gain_evidence` they assume the rows of all
looks at once, each unit one standard deviation above or below the true gain. Each probability is
for one gate; a model has to pass all of them.

The gates on calibration and on groups have no closed form, and no power in the reports. This table
is simulated: 150 samples per cell, from labels and scores, not from models. A good model is better
than the bound by {RATE_DISTANCE:g} and a bad one worse by as much, also where the bound is the
largest number that passes. The calibration is judged on test rows, of which the scores rank 80 % of
the pairs correctly.
Groups are judged on training rows, out of fold: one group of the survey is wrong, the others have a
recall of 0.8 and a false positive rate of 0.3. A good model has a recall of 0.6 in every group.

{_read_block("gate power")}

With the rows of the survey, the gates on calibration and on the recall of groups only stop models
that are far from the bound. The [gate on shadow traffic](#shadow-traffic) has its own table.
The other gates have numbers without a sampling error, or measure the model on chosen rows.

## When a candidate replaces the champion

`min_gain_evidence` collects evidence over runs, because the test rows of one run rarely show a real
difference.

- A *challenger* is a recipe: the candidate and its parameters, the settings of `train` and the code
  version. Each retraining by the recipe makes another model, and adds evidence about the recipe.
- Evidence comes from test rows on which neither model was trained, each row once; with a `key`, it
  comes from one row of each person. `evaluate` stores it in `reports/challenges/`, whether or not
  the candidate passes its gates.
- The evidence is an e-value: if models of the recipe rank no better than the champion, the
  probability that it ever reaches 20 is at most 5 %, however often it is checked
  ([Waudby-Smith and Ramdas 2024](https://doi.org/10.1093/jrsssb/qkad009), [Ramdas et al.
  2023](https://doi.org/10.1214/23-STS894)).
- All challenges that open within a year share the 5 %: the e-value of the k-th is multiplied by
  6/(πk)² before it is compared.
- A *refresh* is the champion's own recipe, trained on other rows; the code version may differ. It
  replaces the champion if it is not worse by `MLOPS_DEPLOYMENT__REFRESH_MARGIN`, so that the model
  is not frozen. Every other challenger must be better.

The table shows simulated years of weekly retraining, 1,000 per row, decided by the same code. Each
week's test split has 5 % positive rows, none of them seen before. The champion ranks 80 % of the
pairs correctly; its ROC AUC plus the true gain is the mean of the recipe's models, which differ by
0.01 (standard deviation). With six recipes, all but the champion's own have this gain, and each
week trains one of them at random. Scores are simulated, not models. `make bench` simulates the
years again if the rule has changed.

{_read_block("promotion")}

## Shadow traffic

`min_shadow_agreement_difference_upper` compares the agreement of candidate and champion on live
rows with that of two honest fits, which learned from other rows. The refits in the bundles show how
much such fits differ. Each was trained on a random half of the rows, and two of them differ about
as much as two fits on other rows do ([Politis, Romano and Wolf
1999](https://doi.org/10.1007/978-1-4612-1554-7)). The gate allows the disagreement of the two
refits that differ the most, and the error of both samples of rows. A multiple of the mean
disagreement would not do: how much the disagreement varies from pair to pair depends on the recipe
and the data. Candidates without refits are not judged.

The table shows pairs of models that learned from different rows: 750 each, of which 5 % are
positive, unless stated. The first row is the logistic regression of `train`, calibrated and with
its threshold, on simulated students that are like the survey: 24 models. Each other row has 48
simpler models of normal features. Refits were compared on 250 rows. Percentages before the slash
are for 200 live rows, the others for 10,000. The ROC AUC of a population is how well its models
rank; on the survey's file no model can exceed 0.7605 on new students.

*80 % are refused at* is the highest agreement with which the gate refuses 80 % of the pairs.
*Unrelated labels* are positive as often as the candidate's, but in random rows. *Opposite labels*
are the candidate's, reversed.

The gate has little power where models depend strongly on their training rows. On the survey it
passes most candidates with unrelated labels; the gates on labelled rows have to stop these. It also
cannot see that labels are unrelated if models predict few rows positive, like the trees, because
such labels agree by chance.

{_read_block("shadow")}

To let `validate` wait for live rows, see
[Operate the platform](/docs/how-to/operate.md#wait-for-shadow-traffic).

## Reuse of the test split

Several looks at one test split make the best model look better than it is. Each report of
`evaluate` and `validate` has the number of different models that were measured on its test split.

To add a gate, see [Add a gate](/docs/how-to/add-a-gate.md).
"""
