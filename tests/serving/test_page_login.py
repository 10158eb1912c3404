"""Logins on the page: by an API key, and by a login proxy in front of the predictor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipeline.columns import FEATURES
from tests.support.forest import make_bundle
from tests.support.issuer import Issuer, run_issuer
from tests.support.page import Visit
from tests.support.predictor import serve_bundle


def test_login_and_logout(visit: Visit, tmp_path: Path) -> None:
    """A key begins a session that a reload keeps; after the logout the page asks again."""
    with serve_bundle(
        tmp_path, make_bundle(version="7", background_rows=40), api_key="let-me-in"
    ) as guarded:
        page: Page = visit(guarded, wait=False)
        expect(page.locator("#access")).to_be_visible()
        page.locator("#key").fill("let-me-out")
        page.locator("#key").press("Enter")
        expect(page.locator("#refused")).to_contain_text("The API key is missing or wrong")
        page.locator("#key").fill("let-me-in")
        page.locator("#key").press("Enter")
        expect(page.locator("#probability")).to_contain_text("%")
        expect(page.locator("#access")).to_be_hidden()
        expect(page.locator("#logout")).to_have_text("Log out (platform)")
        page.reload()
        expect(page.locator("#probability")).to_contain_text("%")
        assert page.evaluate("document.cookie + JSON.stringify({...sessionStorage})") == "{}"
        page.locator("#logout").click()
        expect(page.locator("#access")).to_be_visible()
        expect(page.locator("#logout")).to_be_hidden()


def test_without_a_login_nothing_is_described(visit: Visit, tmp_path: Path) -> None:
    """The page asks for a key in the chosen language, the documentation for a login."""
    with serve_bundle(tmp_path, make_bundle(background_rows=40), api_key="let-me-in") as guarded:
        page: Page = visit(guarded, wait=False)
        expect(page.locator("#access")).to_be_visible()
        page.locator("#language").select_option("de")
        expect(page.locator("label[for=key]")).to_have_text("API-Schlüssel eingeben")
        expect(page.locator("#trouble")).to_be_hidden()
        assert FEATURES[0].raw not in page.locator("body").inner_text()
        page.goto(f"{guarded}/docs")
        expect(page.locator("#swagger a")).to_contain_text("um die Dokumentation zu lesen")


@pytest.fixture(scope="module")
def sign_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Issuer]]:
    """A predictor with single sign-on, and its issuer."""
    bundle = make_bundle(background_rows=40)
    with (
        run_issuer() as issuer,
        serve_bundle(tmp_path_factory.mktemp("on"), bundle, oidc__issuer=issuer.url) as served,
    ):
        yield served, issuer


class TestBehindALoginProxy:
    """The proxy adds the token to each request."""

    def test_a_tutor(self, visit: Visit, sign_on: tuple[str, Issuer]) -> None:
        """The page asks for no key; its logout is the proxy's, and so is the next login."""
        url, issuer = sign_on
        headers = {"Authorization": f"Bearer {issuer.sign('tutor')}"}
        page = visit(url, extra_http_headers=headers)
        expect(page.locator("#access")).to_be_hidden()
        expect(page.locator("#logout")).to_have_text("Log out (anna)")
        with page.expect_request("**/oauth2/sign_out"):
            page.locator("#logout").click()

    def test_the_login_ends(self, visit: Visit, sign_on: tuple[str, Issuer]) -> None:
        """The page says so, and a click loads it again, which begins the proxy's login."""
        url, issuer = sign_on
        headers = {"Authorization": f"Bearer {issuer.sign('tutor')}"}
        page = visit(url, extra_http_headers=headers)
        expect(page.locator("#logout")).to_be_visible()
        page.context.set_extra_http_headers({})
        page.locator("#reset").click()
        expect(page.locator("#ended")).to_contain_text("The login has ended.")
        expect(page.locator("#access")).to_be_hidden()
        page.context.set_extra_http_headers(headers)
        page.locator("#again").click()
        expect(page.locator("#probability")).to_contain_text("%")
        expect(page.locator("#ended")).to_be_hidden()

    @pytest.mark.parametrize(
        ("language", "sentence"),
        [
            ("en", "You may look at this page, but not request predictions."),
            ("de", "Sie dürfen diese Seite ansehen, aber keine Vorhersagen abrufen."),
            ("es", "Puede ver esta página, pero no pedir predicciones."),
            ("fr", "Vous pouvez consulter cette page, mais pas demander de prédictions."),
        ],
    )
    def test_a_viewer(
        self, visit: Visit, sign_on: tuple[str, Issuer], language: str, sentence: str
    ) -> None:
        """The model is shown, and a sentence says which roles get predictions."""
        url, issuer = sign_on
        headers = {"Authorization": f"Bearer {issuer.sign('viewer')}"}
        page = visit(url, wait=False, extra_http_headers=headers, locale=language)
        expect(page.locator("#refusal")).to_contain_text(sentence)
        expect(page.locator("#refusal")).to_contain_text("admin, operator, tutor")
        expect(page.locator("#metrics li").first).to_be_attached()

    def test_somebody_without_a_role(self, visit: Visit, sign_on: tuple[str, Issuer]) -> None:
        """Nothing is shown but the sentence."""
        url, issuer = sign_on
        headers = {"Authorization": f"Bearer {issuer.sign()}"}
        page = visit(url, wait=False, extra_http_headers=headers)
        expect(page.locator("#trouble")).to_contain_text("Your account has no role here.")
