"""Cross-origin requests, and forged ones with the user's cookie, reach no route."""

from __future__ import annotations

import json
from http.cookies import SimpleCookie
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

from tests.server.cluster import NAME, Cluster

JOBS_PATH = "apis/trainer.kubeflow.org/v1alpha1/namespaces/default/trainjobs"
CHANGES = {
    "start of the cluster": ("POST", "embedded", {"do": "start"}),
    "a form": ("POST", "form", {"options": {}}),
    "stop of a job": ("PATCH", f"api/{NAME}/{JOBS_PATH}/digits", {"spec": {"suspend": True}}),
    "deletion of a job": ("DELETE", f"api/{NAME}/{JOBS_PATH}/digits", None),
}


class Browser:
    """Sends requests with cookies, as a browser does, not with a token."""

    def __init__(self, client: Any, base: str, token: str) -> None:
        self._client = client
        self._base = base
        self._token = token
        self._jar: SimpleCookie = SimpleCookie()

    async def log_in(self) -> str:
        """Log in, and return the XSRF token that pages of this origin send with changes."""
        for path in ("login", f"api/me?token={self._token}"):
            answer = await self._client.fetch(
                self._base + path, headers=self._cookies(), raise_error=False, follow_redirects=False
            )
            for cookie in answer.headers.get_list("Set-Cookie"):
                self._jar.load(cookie)
        return self._jar["_xsrf"].value

    async def send(self, route: str, headers: dict[str, str] | None = None, **options: Any) -> int:
        """Send a request and return the status of the response."""
        url = f"{self._base}jupyter-trainjob/{route}"
        try:
            answer = await self._client.fetch(url, headers={**self._cookies(), **(headers or {})}, **options)
        except HTTPClientError as error:
            return error.code
        return int(answer.code)

    def _cookies(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={cookie.value}" for name, cookie in self._jar.items())}


@pytest.fixture
def browser(http_server_client: Any, jp_serverapp: Any, jp_base_url: str) -> Browser:
    return Browser(http_server_client, jp_base_url, jp_serverapp.identity_provider.token)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_changes_need_the_xsrf_token_besides_the_cookie(
    browser: Browser, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str, Any]
) -> None:
    method, route, body = change
    monkeypatch.setattr("jupyter_trainjob.server.cluster_routes.launcher.ensure_daemon", lambda: None)
    cluster.job("digits")
    cluster.requests.clear()
    xsrf = await browser.log_in()
    options = {"method": method, "body": None if body is None else json.dumps(body)}
    headers = {"Content-Type": "application/merge-patch+json"}
    assert await browser.send(route, headers, **options) == 403
    assert await browser.send(route, {**headers, "X-XSRFToken": "other"}, **options) == 403
    assert cluster.requests == []
    assert await browser.send(route, {**headers, "X-XSRFToken": xsrf}, **options) == 200


@pytest.mark.parametrize("route", ["clusters", f"namespaces?context={NAME}", f"api/{NAME}/{JOBS_PATH}"])
async def test_page_of_another_origin_reads_nothing(browser: Browser, cluster: Cluster, route: str) -> None:
    await browser.log_in()
    assert await browser.send(route) == 200
    cluster.requests.clear()
    assert await browser.send(route, {"Origin": "https://elsewhere.example"}) in (403, 404)
    assert cluster.requests == []


async def test_proxy_refuses_requests_without_a_cookie(browser: Browser, cluster: Cluster) -> None:
    assert await browser.send(f"api/{NAME}/{JOBS_PATH}", follow_redirects=False) == 403
    assert cluster.requests == []
