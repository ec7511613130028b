"""optuna-dashboard on `ORRERY_SOCKET`, over the journal of one tuning's study, live while the search writes to it.

    python -m orrery.apps.optuna JOURNAL STUDY TITLE

It is shown, and not changed: what would write is refused. Its page expects to lie at the root of an origin of its own,
and to move through paths below `/dashboard`. Here it lies below a prefix and in a sandbox, where only what is behind
`#` may change. So its router is given a location that lives there, and what it asks for is asked for below the prefix.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final, cast

from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna_dashboard import wsgi  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from orrery.apps.settings import HEALTH_PATH
from orrery.apps.socket_server import Wsgi, make_socket_server
from orrery.apps.stand_ins import SHOWN, STORAGE, put_in, source_of

#: its router takes the window from `document.defaultView`; every other who does gets all else of the real one
_ROUTES: Final = b"""{
const base = location.pathname.replace(/\\/[^/]*$/, ""), first = "/dashboard/studies/0";
const path = () => location.hash.startsWith("#/dashboard") ? location.hash.slice(1) : first;
const origin = location.protocol + "//" + location.host;
const seen = () => new URL(path(), origin);
const place = {
get pathname() { return seen().pathname }, get search() { return seen().search },
get href() { return seen().href }, hash: "", origin, assign: to => { location.hash = to }};
const past = {get state() { return history.state }, go: by => history.go(by),
pushState: (state, title, to) => history.pushState(state, title, to ? "#" + to : undefined),
replaceState: (state, title, to) => history.replaceState(state, title, to ? "#" + to : undefined)};
const bound = new Map();
const view = new Proxy(window, {get(real, name) {
if (name === "location") return place;
if (name === "history") return past;
const value = Reflect.get(real, name, real);
if (typeof value !== "function" || value.prototype) return value;
if (!bound.has(value)) bound.set(value, value.bind(real));
return bound.get(value) }, set: (real, name, value) => Reflect.set(real, name, value, real)});
Object.defineProperty(document, "defaultView", {get: () => view});
const ask = fetch;
window.fetch = (to, how) => ask(typeof to === "string" && to.startsWith("/") ? base + to : to, how);
addEventListener("click", event => {
const link = event.target instanceof Element && event.target.closest("a[href^='/']");
if (link) { const to = link.getAttribute("href");
link.setAttribute("href", to.startsWith("/dashboard") ? base + "/#" + to : base + to) } }, true);
}
"""
_STAND_INS: Final = STORAGE + SHOWN + _ROUTES


class OneStudy(JournalStorage):
    """The storage with the study under the name that people know it by."""

    def __init__(self, journal: str, study: str, title: str) -> None:
        super().__init__(JournalFileBackend(journal))
        self._study = study
        self._title = title

    def get_study_id_from_name(self, study_name: str) -> int:
        return super().get_study_id_from_name(self._study if study_name == self._title else study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._named(super().get_study_name_from_id(study_id))

    def get_all_studies(self) -> list[Any]:
        studies = super().get_all_studies()
        for study in studies:
            study.study_name = self._named(study.study_name)
        return studies

    def _named(self, name: str) -> str:
        return self._title if name == self._study else name


def reading_only(app: Wsgi) -> Wsgi:
    """Answers the health check, refuses what would change the study, and puts the stand-ins into the page."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == HEALTH_PATH:
            return _respond(start_response, HTTPStatus.OK, "text/plain", b"ready")
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            reason = "the study is written by its tuning alone; here it is only looked at"
            body = json.dumps({"reason": reason}).encode()
            return _respond(start_response, HTTPStatus.FORBIDDEN, "application/json", body)
        if path not in ("", "/", "/index.html"):
            return app(environ, start_response)
        begun: list[Any] = []
        asked = {**environ, "PATH_INFO": "/dashboard"}
        for name in ("HTTP_ACCEPT_ENCODING", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_RANGE"):
            asked.pop(name, None)
        page = b"".join(app(asked, lambda *words: begun.append(words)))
        status, headers = cast("tuple[str, list[tuple[str, str]]]", begun[0][:2])
        page = put_in(page, _STAND_INS).replace(b'src="/static/', b'src="static/')
        policy = next(value for name, value in headers if name.lower() == "content-security-policy")
        policy = policy.replace("script-src ", f"script-src {source_of(_STAND_INS)} ", 1)
        kept = [("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", policy)]
        start_response(status, [*kept, ("Cache-Control", "no-store"), ("Content-Length", str(len(page)))])
        return [page]

    return answer


def _respond(start_response: Callable[..., Any], status: HTTPStatus, type_: str, body: bytes) -> list[bytes]:
    headers = [("Content-Type", type_), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]


def main(journal: str, study: str, title: str) -> None:
    app = wsgi(OneStudy(journal, study, title))
    make_socket_server(reading_only(app)).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:4])
