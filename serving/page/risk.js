// Predicts one row, and shows what its probability means: mark, tone and frequency.

import { Problem, PROBABILITY, SLOW, post } from "./api.js";
import { describeOutside, isOutside } from "./cells.js";
import { formatOdds } from "./text.js";
import { t } from "./words.js";

// Statuses if a model has no explanations, or the predictor is too busy for them.
const NO_EXPLANATION = [422, 503, SLOW];

/** Interprets the predictions of the model in use, whose facts are those of GET /model. */
export class Risk {
  constructor(columns) {
    this.columns = columns;
    this.facts = {};
  }

  get averageRisk() {
    return this.facts.positive_rate ?? this.columns.label.rate;
  }

  /** Risk from which a marked row is high: twice the average, or halfway from it to certainty. */
  get highRisk() {
    return Math.min(2 * this.averageRisk, (1 + this.averageRisk) / 2);
  }

  /** What those with the positive outcome do: "fail". */
  get verb() {
    const { verb, positive } = this.columns.label;
    return verb || t("outcome", { outcome: positive });
  }

  isMarked({ label }) {
    return label === this.columns.label.positive;
  }

  /** Title of the label, as the data dictionary or the page words it. */
  titleOf({ label }) {
    const { titles, positive } = this.columns.label;
    return titles?.[label] ?? t(label === positive ? "mark.on" : "mark.off");
  }

  /** Title of the positive label. */
  get mark() {
    return this.titleOf({ label: this.columns.label.positive });
  }

  describeVerdict(prediction) {
    const mark = this.titleOf(prediction);
    return prediction.isUnsure ? t("mark.unsure", { mark }) : mark;
  }

  /** Say how many refits of the model give the same answer. Empty if there are none. */
  describeStability({ stability, isUnsure }) {
    const { refits } = this.facts;
    if (stability === undefined || !refits) return "";
    const count = Math.round(stability * refits);
    const sentences = [t("stability.same", { count, total: refits })];
    if (isUnsure) sentences.push(t("stability.unsure", { subjects: this.columns.subjects }));
    return sentences.join(" ");
  }

  /** Return "high", "mid" or "low". A mark makes a risk high only well above the average. */
  toneOf(prediction) {
    if (!this.isMarked(prediction)) return "low";
    return prediction.p < this.highRisk ? "mid" : "high";
  }

  /**
   * Compare a probability with the average, and say what the mark means. Nothing is known about
   * how often rows outside the training data are positive.
   */
  describe({ p, label, isOutside }) {
    if (isOutside) return t("risk.outside");
    const { subjects, label: outcomes } = this.columns;
    const values = {
      subjects,
      outcome: outcomes.positive,
      verb: this.verb,
      mark: this.mark,
      average: formatOdds(this.averageRisk),
    };
    const sentence = p < 0.001 ? "risk.rare" : "risk.frequency";
    const parts = [t(sentence, { ...values, odds: formatOdds(p) })];
    const { precision } = this.facts;
    if (this.isMarked({ label }) && p < this.averageRisk) parts.push(t("risk.below"));
    if (this.isMarked({ label }) && precision) {
      parts.push(t("risk.mark", { ...values, odds: formatOdds(precision) }));
    }
    return parts.join(" ");
  }

  /** Describe the values that the model did not learn from. */
  describeOutside(values) {
    const { learned_from: learned = {}, learned_blanks: blanks = [] } = this.facts;
    return this.columns.features
      .filter((feature) => isOutside(feature, values[feature.name], learned[feature.name], blanks))
      .map((feature) => describeOutside(feature, values[feature.name], learned[feature.name]));
  }

  /**
   * Request the prediction of one row with its explanation, or without one if there is none.
   * `log=false`: values that people try out are not live traffic.
   */
  async predict(values, signal) {
    if (this.unexplained && this.unexplained === this.facts.run_id) {
      const response = await post("predict?log=false", values, signal);
      return this.read(response, this.noExplanation);
    }
    try {
      return this.read(await post("predict?log=false&explain=true", values, signal));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (!NO_EXPLANATION.includes(error.status) || error.errors.length) throw error;
      const response = await post("predict?log=false", values, signal);
      if (error.status === 422) {
        this.unexplained = response.model.run_id; // so that further values need one request
        this.noExplanation = error.message;
      }
      return this.read(response, error.message);
    }
  }

  read(response, noExplanation) {
    const [prediction] = response.predictions;
    const { label, explanation, stability, warnings = [], [PROBABILITY]: p } = prediction;
    const { threshold, model } = response;
    return {
      ...{ label, p, threshold, model, warnings, explanation, noExplanation, stability },
      isOutside: warnings.length > 0,
      isUnsure: prediction.unsure ?? false,
    };
  }
}
