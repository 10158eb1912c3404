// The banner that is shown while an operator has stopped all answers.

import { Problem, STOPPED, get } from "./api.js";
import { find, formatTime, showText } from "./text.js";
import { t } from "./words.js";

const POLL_MS = 5_000;

export class StopBanner {
  /** `onResume` is called once predictions are answered again. */
  constructor(onResume) {
    this.onResume = onResume;
    this.stop = null;
    document.addEventListener(STOPPED, ({ detail }) => {
      const isNew = !this.stop;
      this.show(detail);
      if (isNew) setTimeout(() => this.poll(), POLL_MS);
    });
  }

  show(stop) {
    this.stop = stop;
    this.translate();
  }

  translate() {
    const { stop } = this;
    const words = stop && t("stopped", { ...stop, at: formatTime(stop.at) });
    showText(find("stopped"), words ?? "");
  }

  async poll() {
    let stop = this.stop;
    try {
      ({ stopped: stop } = await get("model"));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
    this.show(stop);
    if (stop) setTimeout(() => this.poll(), POLL_MS);
    else this.onResume();
  }
}
