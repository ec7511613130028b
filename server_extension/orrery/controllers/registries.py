"""Container registries: logging in, and reading what an image is, by the OCI distribution specification (v1.1).

https://github.com/opencontainers/distribution-spec, and Docker's token flow:
https://distribution.github.io/distribution/spec/auth/token/. Of an image only its manifest and its configuration are
fetched, each within a size and all within a time; their digests are computed here. A log-in goes to the registry and
to the token service that it names, never along a redirect.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from orrery.controllers.bounded_http import MAX_REDIRECTS, REDIRECTS, BoundedHttp, TimeIsUp
from orrery.controllers.hosts import HostRefused, Hosts, host_of
from orrery.controllers.settings import ImageSettings

#: as registries themselves bound manifests (the specification's least upper bound)
MAX_MANIFEST_BYTES: Final = 4 << 20
MAX_CONFIG_BYTES: Final = 8 << 20
_MAX_ANSWER_BYTES: Final = 1 << 20
_PARAMETER: Final = re.compile(r'([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"')
Json = dict[str, Any]


class RegistryProblem(Exception):
    """The registry did not give what was asked for: a word for programs, a sentence with the remedy for people."""

    def __init__(self, reason: str, message: str, *, is_passing: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        #: whether trying again may help
        self.is_passing = is_passing


@dataclass(frozen=True)
class Login:
    username: str
    password: str = field(repr=False)

    @property
    def header(self) -> str:
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes


class Registry:
    """One registry, asked within one time. Not thread-safe; use as a context manager."""

    def __init__(self, name: str, login: Login | None, settings: ImageSettings) -> None:
        self.name = name
        self._login = login
        self._seconds = settings.timeout_seconds
        hosts = Hosts(settings.private_registries, settings.insecure_registries, "ORRERY_IMAGES__PRIVATE_REGISTRIES")
        host = "registry-1.docker.io" if name == "docker.io" else name
        self._base = httpx.URL(f"{'http' if hosts.is_insecure(name) else 'https'}://{host}")
        self._authorization: str | None = None
        self._http = BoundedHttp(hosts, settings.timeout_seconds)

    def __enter__(self) -> Registry:
        self._http.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def log_in(self) -> str:
        """Try the log-in. What was found, in a sentence. Raises: RegistryProblem."""
        answer = self._ask(self._base.copy_with(path="/v2/"), {}, _MAX_ANSWER_BYTES)
        if answer.status == 200:
            return f"{self.name} answers without a log-in, so it could not be tried"
        if answer.status != 401:
            raise self._unexpected(answer)
        self._authorize(answer, scope=None)
        answer = self._ask(self._base.copy_with(path="/v2/"), {}, _MAX_ANSWER_BYTES)
        if answer.status in (401, 403):
            raise self._refused()
        if answer.status != 200:
            raise self._unexpected(answer)
        return f"{self.name} let {self._login.username if self._login else 'anybody'} in"

    def get(self, repository: str, path: str, accept: str, max_bytes: int) -> Answer:
        """`GET /v2/<repository>/<path>`, logged in where the registry asks for it, redirects followed.

        Raises: RegistryProblem.
        """
        url = self._base.copy_with(path=f"/v2/{repository}/{path}")
        headers = {"Accept": accept}
        answer = self._ask(url, headers, max_bytes)
        if answer.status == 401 and self._authorization is None:
            self._authorize(answer, scope=f"repository:{repository}:pull")
            answer = self._ask(url, headers, max_bytes)
        for _ in range(MAX_REDIRECTS):
            if answer.status not in REDIRECTS:
                break
            url = url.join(answer.headers.get("location", ""))
            answer = self._ask(url, headers, max_bytes)
        if answer.status in (401, 403):
            raise self._refused() if self._login else self._needs_login(repository)
        if answer.status == 404:
            raise RegistryProblem(
                "not_found",
                f"{self.name} has no {path} of {repository}"
                + ("; check its name and tag" if self._login else "; check its name and tag, or choose an account"),
            )
        if answer.status != 200:
            raise self._unexpected(answer)
        return answer

    # authorization

    def _authorize(self, challenged: Answer, scope: str | None) -> None:
        scheme, _, rest = challenged.headers.get("www-authenticate", "").partition(" ")
        told = {name.lower(): value for name, value in _PARAMETER.findall(rest)}
        if scheme.lower() == "basic":
            if self._login is None:
                raise self._needs_login(scope)
            self._authorization = self._login.header
        elif scheme.lower() == "bearer" and told.get("realm"):
            self._authorization = f"Bearer {self._token(told, scope or told.get('scope'))}"
        else:
            raise RegistryProblem(
                "no_registry", f"{self.name} asks for a log-in in a way that no registry does ({scheme!r}); is it one?"
            )

    def _token(self, told: Mapping[str, str], scope: str | None) -> str:
        url = httpx.URL(told["realm"])
        if not url.is_absolute_url:
            raise RegistryProblem("no_registry", f"{self.name} names no place for its log-in ({told['realm']!r})")
        params = {"service": told.get("service"), "scope": scope}
        if self._login is not None:
            params["account"] = self._login.username
        headers = {"Authorization": self._login.header} if self._login else {}
        asked = url.copy_merge_params({name: value for name, value in params.items() if value})
        answer = self._ask(asked, headers, _MAX_ANSWER_BYTES)
        if answer.status in (400, 401, 403):
            raise self._refused() if self._login else self._needs_login(scope)
        if answer.status != 200:
            raise self._unexpected(answer, host_of(url))
        document = parse_json(answer.content, f"the log-in at {host_of(url)}")
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token.isprintable() or not token.isascii():
            raise RegistryProblem("no_registry", f"{host_of(url)} gave no token for {self.name}; is it a registry?")
        return token

    # asking

    def _ask(self, url: httpx.URL, headers: Mapping[str, str], max_bytes: int) -> Answer:
        sent = dict(headers)
        if self._authorization and (url.scheme, host_of(url)) == (self._base.scheme, host_of(self._base)):
            sent["Authorization"] = self._authorization
        try:
            with self._http.get(url, sent) as answer:
                content = self._read(answer, max_bytes)
            return Answer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, content)
        except HostRefused as error:
            raise RegistryProblem("host_refused", f"{error}") from error
        except (httpx.TimeoutException, TimeIsUp) as error:
            raise self._too_slow(url) from error
        except (httpx.TransportError, httpx.InvalidURL, OSError, ValueError) as error:
            self._check_time()
            raise RegistryProblem(
                "unreachable",
                f"{host_of(url)} cannot be reached ({error}); check the address, or try again later",
                is_passing=True,
            ) from error

    def _read(self, answer: httpx.Response, max_bytes: int) -> bytes:
        content = bytearray()
        for piece in answer.iter_raw():
            content += piece
            if len(content) > max_bytes:
                raise RegistryProblem(
                    "too_large",
                    f"{self.name} answers with more than {max_bytes >> 20} MiB where a description of an image is "
                    "expected; that is no image that can be used here",
                )
            self._check_time()
        return bytes(content)

    def _check_time(self) -> None:
        """Raises: RegistryProblem where there is no time left."""
        try:
            self._http.left()
        except TimeIsUp as error:
            raise self._too_slow(self._base) from error

    # what went wrong

    def _too_slow(self, url: httpx.URL) -> RegistryProblem:
        return RegistryProblem(
            "too_slow",
            f"{host_of(url)} did not answer within {self._seconds:g} seconds; try again later",
            is_passing=True,
        )

    def _refused(self) -> RegistryProblem:
        name = self._login.username if self._login else "anybody"
        return RegistryProblem(
            "login_refused", f"{self.name} refuses the log-in of {name}; check its ID and password, and its rights"
        )

    def _needs_login(self, what: str | None) -> RegistryProblem:
        asked = f" for {what.removeprefix('repository:').removesuffix(':pull')}" if what else ""
        return RegistryProblem("login_needed", f"{self.name} asks for a log-in{asked}; choose a registry account")

    def _unexpected(self, answer: Answer, host: str | None = None) -> RegistryProblem:
        said = _told(answer.content)
        if answer.status == 429:
            message = f"{host or self.name} has been asked too often{said}; try again later, or choose an account"
        else:
            message = f"{host or self.name} answered {answer.status}{said}; is it a registry, and does it work?"
        is_passing = answer.status == 429 or answer.status >= 500
        return RegistryProblem("unexpected_answer", message, is_passing=is_passing)


def parse_json(content: bytes, what: str) -> Json:
    """Raises: RegistryProblem unless it is a JSON object."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RegistryProblem("no_registry", f"{what} is no JSON; is this a registry?") from error
    if not isinstance(document, dict):
        raise RegistryProblem("no_registry", f"{what} is not what a registry answers")
    return document  # pyright: ignore[reportUnknownVariableType]


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _told(content: bytes) -> str:
    """The registry's own words, in brackets."""
    try:
        first = json.loads(content)["errors"][0]
        said = str(first.get("message") or first.get("code"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return ""
    return f" ({said[:200]})" if said.isprintable() else ""
