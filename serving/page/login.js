// The login: exchanges an API key for a session, and ends it.

import { KEY_REQUIRED, Problem, get, logIn, logOut } from "./api.js";
import { find, showText } from "./text.js";
import { t } from "./words.js";

export class Login {
  /** `onLogin` is called once predictions are possible. */
  constructor(onLogin) {
    this.onLogin = onLogin;
    this.name = null;
    document.addEventListener(KEY_REQUIRED, () => this.ask());
    find("access").addEventListener("submit", (event) => {
      event.preventDefault();
      this.enter();
    });
    find("logout").addEventListener("click", () => this.leave());
    this.refresh();
  }

  ask() {
    find("access").hidden = false;
    find("logout").hidden = true;
  }

  async enter() {
    const field = find("key");
    try {
      await logIn(field.value);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      showText(find("refused"), error.message);
      return;
    }
    field.value = "";
    showText(find("refused"), "");
    find("access").hidden = true;
    await this.refresh();
    this.onLogin();
  }

  async leave() {
    try {
      await logOut();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      showText(find("refused"), error.message);
    }
    location.reload(); // nothing of the last person stays on the page
  }

  /** Show the button to log out, with the name of the key. */
  async refresh() {
    try {
      ({ name: this.name } = await get("session"));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
    this.translate();
  }

  translate() {
    find("logout").hidden = !this.name;
    if (this.name) find("logout").textContent = t("key.logout", { name: this.name });
  }
}
