"""What the platform believes of a token while the hub is silent or gone. A real hub: integration/test_hub.py."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from orrery.api.hub_oauth import FRESH_SECONDS, STALE_SECONDS, UNKNOWN_SECONDS, HubAuthenticator, HubSettings
from orrery.domain.access import User
from orrery.errors import Invalid, Unavailable

ENVIRONMENT = {
    "JUPYTERHUB_API_TOKEN": "service-secret",
    "JUPYTERHUB_API_URL": "http://hub/hub/api",
    "JUPYTERHUB_SERVICE_PREFIX": "/services/orrery/",
    "JUPYTERHUB_SERVICE_NAME": "orrery",
}
SETTINGS = HubSettings.from_environment(ENVIRONMENT)
ANN: dict[str, Any] = {
    "kind": "user",
    "name": "ann",
    "admin": False,
    "groups": ["physics"],
    "scopes": ["access:services!service=orrery"],
}


class Hub:
    """Answers as a hub does, counts what it is asked, and can go away."""

    def __init__(self) -> None:
        self.asked = 0
        self.now = 0.0
        self.models: dict[str, dict[str, Any]] = {"ann-token": ANN}
        self.is_gone = False
        self.authenticator = HubAuthenticator(
            SETTINGS, transport=httpx.MockTransport(self.answer), clock=lambda: self.now
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.is_gone:
            raise httpx.ConnectError("refused", request=request)
        model = self.models.get(request.headers["authorization"].removeprefix("token "))
        return httpx.Response(200, json=model) if model else httpx.Response(403)

    def user(self, token: str = "ann-token") -> User | None:
        return asyncio.run(self.authenticator.user_for_token(token))


@pytest.fixture
def hub() -> Hub:
    return Hub()


def test_a_known_token_is_asked_about_once_a_minute(hub: Hub) -> None:
    assert hub.user() == User("ann", frozenset({"physics"}))
    hub.now = FRESH_SECONDS - 1
    assert hub.user() is not None
    assert hub.asked == 1
    hub.now = FRESH_SECONDS
    hub.models.clear()
    assert hub.user() is None
    assert hub.asked == 2


def test_an_unknown_token_is_not_asked_about_at_once_again(hub: Hub) -> None:
    for _ in range(10):
        assert hub.user("guess") is None
    assert hub.asked == 1
    hub.now = UNKNOWN_SECONDS
    hub.models["guess"] = ANN
    assert hub.user("guess") is not None


def test_while_the_hub_restarts_its_last_word_counts_for_a_while(hub: Hub) -> None:
    assert hub.user() is not None
    hub.is_gone = True
    hub.now = STALE_SECONDS - 1
    assert hub.user() is not None
    hub.now = STALE_SECONDS
    with pytest.raises(Unavailable, match="http://hub/hub/api/user does not answer"):
        hub.user()
    with pytest.raises(Unavailable):
        hub.user("never seen")


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "service"},
        {"scopes": ["access:services!service=other"]},
        {"scopes": ["read:users:name!user"]},
        {"scopes": []},
    ],
)
def test_a_token_for_something_else_opens_nothing(hub: Hub, change: dict[str, Any]) -> None:
    hub.models["ann-token"] = ANN | change
    assert hub.user() is None


def test_an_administrators_unfiltered_scope_opens_it(hub: Hub) -> None:
    hub.models["ann-token"] = ANN | {"admin": True, "scopes": ["access:services"]}
    assert hub.user() == User("ann", frozenset({"physics"}), admin=True)


@pytest.mark.parametrize("token", ["ünknown", "a\nb", "a\0b"])
def test_what_cannot_be_a_token_is_not_sent_to_the_hub(hub: Hub, token: str) -> None:
    assert hub.user(token) is None
    assert hub.asked == 0


@pytest.mark.parametrize("name", ["JUPYTERHUB_API_TOKEN", "JUPYTERHUB_API_URL", "JUPYTERHUB_SERVICE_PREFIX"])
def test_without_a_hub_it_says_which_variable_is_missing(name: str) -> None:
    with pytest.raises(Invalid, match=f"{name} is not set"):
        HubSettings.from_environment({key: value for key, value in ENVIRONMENT.items() if key != name})


@pytest.mark.parametrize(
    ("target", "where"),
    [
        ("/services/orrery/mlflow/?a=1", "/services/orrery/mlflow/?a=1"),
        ("/services/orrery", "/services/orrery/"),
        ("/services/other/", "/services/orrery/"),
        ("//evil.example/services/orrery/", "/services/orrery/"),
        ("https://evil.example/services/orrery/", "/services/orrery/"),
        ("/services/orrery/\\..\\evil", "/services/orrery/"),
        ("/services/orrery/\r\nSet-Cookie: a=b", "/services/orrery/"),
    ],
)
def test_after_a_login_one_is_led_to_the_platform_only(hub: Hub, target: str, where: str) -> None:
    assert hub.authenticator.own_path(target) == where


def test_the_secret_is_not_shown() -> None:
    assert "service-secret" not in repr(SETTINGS)
