// The login: exchanges an API key for a session, and ends it. A login proxy in front of the predictor
// has sessions of its own.

import { KEY_REQUIRED, Problem, get, logIn, logOut } from "./api.js";
import { find, showText } from "./text.js";
import { t } from "./words.js";

/** Where a login proxy (oauth2-proxy) ends its session. */
const SIGN_OUT = "oauth2/sign_out";

export class Login {
  constructor() {
    /** Called after each login. */
    this.onLogin = () => {};
    this.name = null;
    this.isProxied = false;
    document.addEventListener(KEY_REQUIRED, () => this.ask());
    find("access").addEventListener("submit", (event) => {
      event.preventDefault();
      this.enter();
    });
    find("logout").addEventListener("click", () => this.leave());
    find("again").addEventListener("click", () => location.reload()); // to the login of the proxy
  }

  ask() {
    find("access").hidden = this.isProxied;
    find("ended").hidden = !this.isProxied;
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
    if (this.isProxied) {
      location.assign(SIGN_OUT);
      return;
    }
    try {
      await logOut();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      showText(find("refused"), error.message);
    }
    location.reload(); // nothing of the last person stays on the page
  }

  /** Show the button to log out, with the name of the person or of the key. */
  async refresh() {
    try {
      ({ name: this.name, is_proxied: this.isProxied = false } = await get("session"));
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
