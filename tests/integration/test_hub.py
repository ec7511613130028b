"""A real JupyterHub: accounts, notebook servers, and the platform behind it as each user."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest

from orrery.testing.hub import Account, Hub, jupyter_hub
from orrery.testing.kernels import run_in_kernel
from orrery.testing.processes import is_running, stop
from orrery.testing.waiting import wait_until

NUMBERS = count(1)


@pytest.fixture
def ann(hub: Hub) -> Account:
    return hub.sign_up(f"ann{next(NUMBERS)}")


@pytest.fixture
def bob(hub: Hub) -> Account:
    return hub.sign_up(f"bob{next(NUMBERS)}")


@pytest.fixture
def platform(hub: Hub, ann: Account) -> Iterator[httpx.Client]:
    """The platform as ann reaches it with a token."""
    with as_user(hub, ann) as client:
        yield client


def as_user(hub: Hub, account: Account) -> httpx.Client:
    headers = {"Authorization": f"Bearer {account.make_token()}"}
    return httpx.Client(base_url=hub.orrery, headers=headers, timeout=30, trust_env=False)


GOOD = {
    "username": "carol",
    "email": "carol@example.org",
    "full_name": "",
    "signup_password": "sixsix",
    "signup_password_confirmation": "sixsix",
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"signup_password": "short", "signup_password_confirmation": "short"},
            "The password has 5 characters; use at least 6.",
        ),
        ({"signup_password_confirmation": "sixsev"}, "The two passwords differ"),
        ({"signup_password": "é" * 40, "signup_password_confirmation": "é" * 40}, "longer than 72 bytes"),
        ({"email": "carol"}, "“carol” is no e-mail address"),
        ({"email": ""}, "is no e-mail address"),
        ({"username": "orrery"}, "“orrery” is reserved"),
        ({"username": "../boss"}, "“../boss” cannot be used"),
        ({"username": "a b"}, "“a b” cannot be used"),
        ({"username": "x" * 65}, "64 characters at most"),
        ({"full_name": "n" * 200}, "At most 128 characters; this has 200."),
    ],
)
def test_a_sign_up_with_a_mistake_is_refused_beside_its_field(hub: Hub, change: dict[str, str], said: str) -> None:
    with hub.browser() as browser:
        answer = hub.send_form(browser, "/hub/signup", GOOD | change)
        assert answer.status_code == 400
        assert said in answer.text
        assert GOOD["signup_password"] not in answer.text
        refused = hub.send_form(browser, "/hub/login", {"username": "carol", "password": GOOD["signup_password"]})
        assert "Invalid username or password" in refused.text


def test_a_name_in_use_cannot_be_taken_again_in_any_case(hub: Hub, ann: Account) -> None:
    with hub.browser() as browser:
        answer = hub.send_form(browser, "/hub/signup", GOOD | {"username": ann.name.upper()})
    assert answer.status_code == 400
    assert f"“{ann.name}” is in use" in answer.text


def test_a_sign_up_from_another_site_is_refused(hub: Hub) -> None:
    with hub.browser() as browser:
        answer = browser.post("/hub/signup", data=GOOD, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_whoever_signs_up_is_logged_in_and_greeted_by_name(hub: Hub) -> None:
    account = hub.sign_up(f"dora{next(NUMBERS)}", full_name="Dora <b>Maar</b>")
    home = account.browser.get("/hub/home").text
    assert "Hello, Dora &lt;b&gt;Maar&lt;/b&gt;." in home
    assert 'href="/services/orrery/mlflow/"' in home


def test_an_account_logs_in_again_with_its_password_only(hub: Hub, ann: Account) -> None:
    hub.log_in(ann.name)
    for wrong in ("planet", "x" * 100):
        with hub.browser() as browser:
            answer = hub.send_form(browser, "/hub/login", {"username": ann.name, "password": wrong})
            assert "Invalid username or password" in answer.text


@pytest.mark.parametrize("page", ["/hub/login", "/hub/signup"])
def test_the_account_pages_say_that_everybody_here_is_one_circle_of_trust(hub: Hub, page: str) -> None:
    with hub.browser() as browser:
        assert "one circle of trust" in browser.get(page).text


def test_the_configured_name_administers_and_nobody_else(hub: Hub, ann: Account) -> None:
    boss = hub.sign_up("boss")
    for account, is_admin in ((boss, True), (ann, False)):
        with as_user(hub, account) as client:
            whoami = client.get("/api/v1/auth/whoami").json()
            assert (whoami["name"], whoami["admin"], whoami["mode"]) == (account.name, is_admin, "hub")


def test_a_request_without_a_login_is_told_so_and_a_page_leads_to_the_login_and_back(hub: Hub, ann: Account) -> None:
    path = "/services/orrery/api/v1/auth/whoami"
    refused = httpx.get(f"{hub.url}{path}", trust_env=False, timeout=60)
    assert refused.status_code == 401
    assert refused.json()["error"]["code"] == "unauthenticated"
    with hub.browser() as stranger:
        assert stranger.get(path, headers={"Accept": "text/html"}).url.path == "/hub/login"
    page = ann.browser.get(f"{path}?x=1", headers={"Accept": "text/html"})
    assert (page.status_code, page.url.path, page.url.query) == (200, path, b"x=1")
    assert page.json()["name"] == ann.name
    cookie = next(one for one in ann.browser.cookies.jar if one.name == "orrery-session")
    assert cookie.path == "/services/orrery/"
    assert cookie.has_nonstandard_attr("HttpOnly")


def test_a_login_leads_nowhere_but_to_the_platform(hub: Hub, ann: Account) -> None:
    for target in ("https://evil.example/", "//evil.example", "/hub/logout", "/services/orrery/\\evil"):
        page = ann.browser.get("/services/orrery/login", params={"next": target}, headers={"Accept": "text/html"})
        assert page.url.path == "/services/orrery/"
        assert page.url.host == "127.0.0.1"


def test_a_login_begun_elsewhere_is_refused(hub: Hub, ann: Account) -> None:
    answer = ann.browser.get("/services/orrery/oauth_callback", params={"state": "forged", "code": "stolen"})
    assert answer.status_code == 422
    assert "begun in another browser" in answer.json()["error"]["message"]


def test_another_site_cannot_act_with_the_browsers_session(hub: Hub, ann: Account) -> None:
    ann.browser.get("/services/orrery/api/v1/auth/whoami", headers={"Accept": "text/html"})
    body = {"name": "forged", "spec": {}}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        answer = ann.browser.post("/services/orrery/api/v1/experiments", json=body, headers=headers)
        assert answer.status_code == 403, headers
    own = ann.browser.post("/services/orrery/api/v1/experiments", json=body, headers={"Origin": hub.url})
    assert own.status_code == 201


def test_logging_out_ends_the_session_at_the_platform_too(hub: Hub, ann: Account) -> None:
    path = "/services/orrery/api/v1/auth/whoami"
    assert ann.browser.get(path, headers={"Accept": "text/html"}).status_code == 200
    ann.browser.get("/services/orrery/logout")
    assert ann.browser.get(path).status_code == 401


def test_a_token_that_may_not_use_the_platform_is_refused(hub: Hub, ann: Account) -> None:
    answer = ann.post(f"/hub/api/users/{ann.name}/tokens", json={"scopes": ["read:users:name!user"]})
    narrow = answer.json()["token"]
    for token in (narrow, "unknown", "ünknown"):
        refused = httpx.get(
            f"{hub.orrery}/api/v1/auth/whoami",
            headers=[(b"Authorization", f"Bearer {token}".encode())],
            trust_env=False,
            timeout=60,
        )
        assert refused.status_code == 401, token


def test_a_named_server_reaches_the_platform_as_its_user(hub: Hub, ann: Account) -> None:
    path = ann.start_server("lab-1")
    assert path == f"/user/{ann.name}/lab-1/"
    whoami = ann.browser.get(f"{path}orrery/api/v1/auth/whoami", headers={"Accept": "text/html"})
    assert whoami.json()["name"] == ann.name
    status = ann.browser.get(f"{path}orrery-extension/status").json()
    assert (status["mode"], status["state"]) == ("hub", "running")
    assert (hub.home / "users" / ann.name / "servers" / "lab-1").is_dir()
    code = "import orrery; print(orrery.Client().whoami()['name'])"
    assert run_in_kernel(ann.browser, path, code).strip() == ann.name
    other = hub.sign_up(f"eve{next(NUMBERS)}")
    assert other.browser.get(f"{path}orrery/api/v1/auth/whoami", headers={"Accept": "text/html"}).status_code == 403


def test_what_is_private_is_seen_by_its_owner_and_administrators_only(hub: Hub, ann: Account, bob: Account) -> None:
    with as_user(hub, ann) as one, as_user(hub, bob) as two:
        made = one.post("/api/v1/experiments", json={"name": "secret", "spec": {}})
        assert made.status_code == 201
        where = f"/api/v1/experiments/{made.json()['id']}"
        assert one.get(where).status_code == 200
        assert two.get(where).status_code == 404
        assert two.get(f"/api/v1/experiments/by-name/{ann.name}/secret").status_code == 404
        assert two.get("/api/v1/experiments").json()["items"] == []
        assert two.patch(where, json={"description": "mine"}).status_code == 404
        assert two.delete(where).status_code == 404


def test_events_arrive_live_through_the_hub_and_the_notebook_server(
    hub: Hub, ann: Account, platform: httpx.Client
) -> None:
    path = ann.start_server()
    ann.browser.get(f"{path}lab")
    headers = {"Accept": "text/event-stream"}
    with ann.browser.stream("GET", f"{path}orrery/api/v1/events", headers=headers) as stream:
        assert stream.status_code == 200, stream.read()
        lines = (line for line in stream.iter_lines() if line.startswith("data:"))
        for name in ("first", "second"):
            platform.post("/api/v1/experiments", json={"name": name, "spec": {}}).raise_for_status()
            seen = next(event for line in lines if (event := json.loads(line[5:]))["resource"]["name"] == name)
            assert seen["resource"]["owner"] == ann.name


def test_a_large_upload_passes_the_hub_and_the_notebook_server(ann: Account, platform: httpx.Client) -> None:
    path = ann.start_server()
    ann.browser.get(f"{path}lab")
    forgery = next(cookie.value for cookie in ann.browser.cookies.jar if (cookie.name, cookie.path) == ("_xsrf", path))
    block, blocks = b"\0" * (1 << 20), 160
    answer = ann.browser.put(
        f"{path}orrery/api/v1/objects",
        content=(block for _ in range(blocks)),
        headers={"X-XSRFToken": forgery or "", "Content-Length": str(blocks << 20)},
    )
    assert answer.status_code in (200, 201), answer.text
    assert answer.json()["size"] == blocks << 20


def test_a_killed_hub_leaves_nothing_running_and_loses_no_account(tmp_path: Path, home: Path) -> None:
    with jupyter_hub(home) as first:
        first.sign_up("ann")
        children = descendants(first.process.pid)
        assert children
        stop(first.process, signal.SIGKILL)
        wait_until(lambda: not any(map(is_running, children)), what="the proxy and the platform end with the hub")
    with jupyter_hub(home) as second:
        account = second.log_in("ann")
        with as_user(second, account) as client:
            assert client.get("/api/v1/auth/whoami").json()["name"] == "ann"


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found
