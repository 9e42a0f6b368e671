"""Pages of other origins, and forms that they send with the user's cookie, reach no route."""

from __future__ import annotations

import json
from http.cookies import SimpleCookie
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

from tests.server.cluster import NAME, Cluster

JOBS_PATH = "apis/trainer.kubeflow.org/v1alpha1/namespaces/default/trainjobs"
CHANGES = {
    "the cluster's start": ("POST", "embedded", {"do": "start"}),
    "a form": ("POST", "form", {"options": {}}),
    "a job's stop": ("PATCH", f"api/{NAME}/{JOBS_PATH}/digits", {"spec": {"suspend": True}}),
    "a job's end": ("DELETE", f"api/{NAME}/{JOBS_PATH}/digits", None),
}


class Browser:
    """Asks with cookies, as a page does, and not with a token."""

    def __init__(self, client: Any, base: str, token: str) -> None:
        self._client = client
        self._base = base
        self._token = token
        self._jar: SimpleCookie = SimpleCookie()

    async def log_in(self) -> str:
        """Log in, and return the token that pages of this origin send with what they change."""
        for path in ("login", f"api/me?token={self._token}"):
            answer = await self._client.fetch(
                self._base + path, headers=self._cookies(), raise_error=False, follow_redirects=False
            )
            for each in answer.headers.get_list("Set-Cookie"):
                self._jar.load(each)
        return self._jar["_xsrf"].value

    async def ask(self, route: str, headers: dict[str, str] | None = None, **options: Any) -> int:
        """Return the status of an answer."""
        url = f"{self._base}jupyter-trainjob/{route}"
        try:
            answer = await self._client.fetch(url, headers={**self._cookies(), **(headers or {})}, **options)
        except HTTPClientError as error:
            return error.code
        return int(answer.code)

    def _cookies(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={each.value}" for name, each in self._jar.items())}


@pytest.fixture
def browser(http_server_client: Any, jp_serverapp: Any, jp_base_url: str) -> Browser:
    return Browser(http_server_client, jp_base_url, jp_serverapp.identity_provider.token)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_cookie_alone_changes_nothing_and_with_the_token_of_its_pages_it_does(
    browser: Browser, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str, Any]
) -> None:
    method, route, body = change
    monkeypatch.setattr("jupyter_trainjob.server.clusters.launch.ensure", lambda: None)
    cluster.job("digits")
    cluster.asked.clear()
    xsrf = await browser.log_in()
    options = {"method": method, "body": None if body is None else json.dumps(body)}
    headers = {"Content-Type": "application/merge-patch+json"}
    assert await browser.ask(route, headers, **options) == 403
    assert await browser.ask(route, {**headers, "X-XSRFToken": "other"}, **options) == 403
    assert cluster.asked == []
    assert await browser.ask(route, {**headers, "X-XSRFToken": xsrf}, **options) == 200


@pytest.mark.parametrize("route", ["clusters", f"namespaces?context={NAME}", f"api/{NAME}/{JOBS_PATH}"])
async def test_a_page_of_another_origin_reads_nothing(browser: Browser, cluster: Cluster, route: str) -> None:
    await browser.log_in()
    assert await browser.ask(route) == 200
    cluster.asked.clear()
    assert await browser.ask(route, {"Origin": "https://elsewhere.example"}) in (403, 404)
    assert cluster.asked == []


async def test_who_has_no_cookie_is_refused_by_the_proxy(browser: Browser, cluster: Cluster) -> None:
    assert await browser.ask(f"api/{NAME}/{JOBS_PATH}", follow_redirects=False) == 403
    assert cluster.asked == []
