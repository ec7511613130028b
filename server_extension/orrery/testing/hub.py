"""A real JupyterHub in tests, with real accounts and real notebook servers."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from orrery.testing.processes import free_port, running
from orrery.testing.waiting import wait_until

PASSWORD = "planets"


@dataclass(frozen=True)
class Account:
    """Somebody logged in to the hub, with a browser's cookies."""

    name: str
    browser: httpx.Client

    def post(self, path: str, **options: object) -> httpx.Response:
        """To the hub, with the forgery protection that its own pages have."""
        return self.browser.post(path, headers=self._forgery_header(), **options)  # pyright: ignore

    def make_token(self) -> str:
        """As the hub's token page does."""
        answer = self.post(f"/hub/api/users/{self.name}/tokens", json={"note": "test"})
        answer.raise_for_status()
        return str(answer.json()["token"])

    def start_server(self, name: str = "") -> str:
        """Starts a notebook server; its path, once it is ready."""
        path = f"/hub/api/users/{self.name}/server{f's/{name}' if name else ''}"
        self.post(path).raise_for_status()

        def ready() -> str | None:
            model = self.browser.get(f"/hub/api/users/{self.name}", headers=self._forgery_header()).json()
            server = model["servers"].get(name, {})
            return server["url"] if server.get("ready") else None

        return wait_until(ready, what=f"the server {name!r} of {self.name} is ready", seconds=60)

    def stop_server(self, name: str = "") -> None:
        """Begins to stop a notebook server, as the hub's own page does."""
        path = f"/hub/api/users/{self.name}/server{f's/{name}' if name else ''}"
        self.browser.delete(path, headers=self._forgery_header()).raise_for_status()

    def _forgery_header(self) -> dict[str, str]:
        token = next(
            cookie.value for cookie in self.browser.cookies.jar if (cookie.name, cookie.path) == ("_xsrf", "/hub/")
        )
        return {"X-XSRFToken": token or "", "Referer": f"{self.browser.base_url}hub/home"}


@dataclass(frozen=True)
class Hub:
    url: str
    home: Path
    process: subprocess.Popen[bytes]
    #: closed when the hub is
    open_browsers: contextlib.ExitStack

    @property
    def orrery(self) -> str:
        return f"{self.url}/services/orrery"

    def browser(self) -> httpx.Client:
        browser = httpx.Client(base_url=self.url, follow_redirects=True, timeout=60, trust_env=False)
        self.open_browsers.callback(browser.close)
        return browser

    def send_form(self, browser: httpx.Client, path: str, fields: Mapping[str, str]) -> httpx.Response:
        """Opens a page with a form and sends it filled in."""
        page = browser.get(path)
        forgery = re.search(r'name="_xsrf" value="([^"]*)"', page.text)
        assert forgery, f"{path} has no form: {page.status_code} {page.text[:500]}"
        return browser.post(path, data={"_xsrf": forgery.group(1), **fields})

    def sign_up(self, name: str, password: str = PASSWORD, **fields: str) -> Account:
        """A new account, logged in. Its notebook server is not started."""
        browser = self.browser()
        filled = {
            "username": name,
            "email": f"{name}@example.org",
            "full_name": name.title(),
            "signup_password": password,
            "signup_password_confirmation": password,
            **fields,
        }
        answer = self.send_form(browser, "/hub/signup?next=/hub/home", filled)
        assert answer.url.path == "/hub/home", answer.text
        return Account(name, browser)

    def log_in(self, name: str, password: str = PASSWORD) -> Account:
        browser = self.browser()
        answer = self.send_form(browser, "/hub/login?next=/hub/home", {"username": name, "password": password})
        assert answer.url.path == "/hub/home", answer.text
        return Account(name, browser)


@contextmanager
def jupyter_hub(home: Path, *, admin: str = "boss", environment: Mapping[str, str] | None = None) -> Generator[Hub]:
    """`make run` over the `$ORRERY_HOME` `home`, on a free port."""
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    settings = {"ORRERY_HOME": str(home), "ORRERY_ADMIN": admin, "PORT": str(port), "HOST": "127.0.0.1"}
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "orrery_hub"]
    settings |= environment or {}
    with (
        contextlib.ExitStack() as browsers,
        running(command, log=home / "hub.log", environment=settings, folder=home) as process,
    ):
        hub = Hub(url=url, home=home, process=process, open_browsers=browsers)

        def answers() -> bool:
            try:
                return httpx.get(f"{hub.orrery}/healthz", trust_env=False).is_success
            except httpx.HTTPError:
                return False

        wait_until(answers, what=f"the platform behind the hub at {url} answers", process=process, seconds=90)
        yield hub
