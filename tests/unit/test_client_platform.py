"""Finding the platform, and talking to one that is slow, away, or answers with errors: a real server on a free port."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from orrery import errors
from orrery.client.discovery import Platform, find_platform
from orrery.client.failures import NoPlatform, PlatformUnreachable, field_messages, make_error
from orrery.client.transport import Patience, Transport, segment


@dataclass
class Answers:
    """What the server answers, one after the other (the last one for good), and what it was asked."""

    script: list[tuple[int, dict[str, str], Any]] = field(default_factory=list[tuple[int, dict[str, str], Any]])
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list[tuple[str, str, dict[str, str]]])
    url: str = ""


@pytest.fixture
def answers() -> Iterator[Answers]:
    state = Answers()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.asked.append((self.command, self.path, dict(self.headers)))
            status, headers, body = state.script.pop(0) if len(state.script) > 1 else state.script[0]
            if status == 0:  # the connection is lost
                self.connection.close()
                return
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = do_PATCH = handle_one

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


OK = (200, {}, {"fine": True})
AWAY = (503, {"Retry-After": "0"}, {"error": {"code": "unavailable", "message": "restarting", "details": {}}})
LOST = (0, {}, None)


@pytest.fixture
def transport(answers: Answers) -> Iterator[Transport]:
    made = Transport(Platform(answers.url, "secret-token"), patience=Patience(1.0, 2.0, 0.05))
    yield made
    made.close()


def test_a_platform_that_restarts_is_waited_for(answers: Answers, transport: Transport) -> None:
    reasons: list[str] = []
    transport.on_retry = reasons.append
    answers.script = [AWAY, AWAY, OK]
    assert transport.json("GET", "/kinds") == {"fine": True}
    assert len(answers.asked) == 3
    assert reasons == ["restarting"]


def test_patience_ends_with_the_platforms_own_words(answers: Answers, transport: Transport) -> None:
    answers.script = [AWAY]
    with pytest.raises(errors.Unavailable, match="restarting"):
        transport.json("GET", "/kinds", patience=Patience(0.1, 0.1, 0.05))


def test_a_create_whose_answer_is_lost_is_sent_again_with_the_same_key(answers: Answers, transport: Transport) -> None:
    answers.script = [LOST, OK]
    assert transport.create("/trainings", {"name": "a"}) == {"fine": True}
    keys = [headers["Idempotency-Key"] for _, _, headers in answers.asked]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_an_action_whose_answer_is_lost_is_not_sent_again(answers: Answers, transport: Transport) -> None:
    answers.script = [LOST, OK]
    with pytest.raises(PlatformUnreachable):
        transport.json("POST", "/trainings/x/publish")
    assert len(answers.asked) == 1


def test_a_delete_whose_answer_was_lost_has_been_done(answers: Answers, transport: Transport) -> None:
    answers.script = [LOST, (404, {}, {"error": {"code": "not_found", "message": "gone", "details": {}}})]
    assert transport.request("DELETE", "/trainings/x").status_code == 404


def test_a_refusal_becomes_the_error_of_its_code_with_its_details(answers: Answers, transport: Transport) -> None:
    details = {"dependents": [{"name": "e"}]}
    answers.script = [(409, {}, {"error": {"code": "in_use", "message": "in use by e", "details": details}})]
    with pytest.raises(errors.InUse, match="in use by e") as caught:
        transport.json("DELETE", "/models/x")
    assert caught.value.details["dependents"] == [{"name": "e"}]
    assert len(answers.asked) == 1


def test_every_code_of_the_platform_has_its_class() -> None:
    def walk(cls: type[errors.OrreryError]) -> Iterator[type[errors.OrreryError]]:
        for child in cls.__subclasses__():
            if child.__module__ == "orrery.errors":
                yield child
                yield from walk(child)

    for cls in walk(errors.OrreryError):
        body = json.dumps({"error": {"code": cls.code, "message": "m", "details": {}}}).encode()
        assert type(make_error(418, body, "url")) is cls


@pytest.mark.parametrize(
    ("status", "body", "cls", "message"),
    [
        (422, b'{"error": {"code": "brand_new", "message": "no", "details": {}}}', errors.Invalid, "no"),
        (400, b'{"error": "column a is missing"}', errors.Invalid, "column a is missing"),
        (502, b"<html>Bad gateway</html>", errors.Unavailable, "answered 502"),
        (404, b"", errors.NotFound, "answered 404"),
        (500, b"[1]", errors.OrreryError, "answered 500"),
    ],
)
def test_answers_that_are_not_ours_are_understood_by_their_status(
    status: int, body: bytes, cls: type[errors.OrreryError], message: str
) -> None:
    error = make_error(status, body, "http://x/y")
    assert type(error) is cls
    assert message in error.message


def test_the_fields_that_were_refused_are_told() -> None:
    details = {"fields": [{"path": "spec.parameters.rounds", "message": "must be 1 or more"}]}
    body = json.dumps({"error": {"code": "invalid", "message": "m", "details": details}}).encode()
    assert field_messages(make_error(422, body, "url")) == [("spec.parameters.rounds", "must be 1 or more")]


def test_a_refused_connection_names_the_address_and_the_remedy() -> None:
    transport = Transport(Platform("http://127.0.0.1:9"), patience=Patience(0.0, 0.0))
    with pytest.raises(PlatformUnreachable, match=r"127\.0\.0\.1:9 .*ORRERY_URL"):
        transport.json("GET", "/kinds")
    transport.close()


# finding it


def announce(home: Path, url: str, token: str) -> None:
    (home / "run").mkdir(parents=True, exist_ok=True)
    (home / "run" / "platform.json").write_text(json.dumps({"url": url, "token": token, "pid": 1, "version": "0"}))


@pytest.fixture
def home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORRERY_HOME", str(tmp_path))
    monkeypatch.delenv("ORRERY_URL", raising=False)
    monkeypatch.delenv("ORRERY_TOKEN", raising=False)
    return tmp_path


def test_the_environment_comes_before_the_running_platform(
    home_of_its_own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce(home_of_its_own, "http://127.0.0.1:1", "local")
    assert find_platform() == Platform("http://127.0.0.1:1", "local", home_of_its_own / "run" / "platform.json")
    monkeypatch.setenv("ORRERY_URL", "https://hub.example/services/orrery/")
    monkeypatch.setenv("ORRERY_TOKEN", "t")
    assert find_platform().api == "https://hub.example/services/orrery/api/v1"
    assert find_platform("http://other:1", "u") == Platform("http://other:1", "u")


def test_without_a_platform_the_remedy_is_told(home_of_its_own: Path) -> None:
    with pytest.raises(NoPlatform, match="orrery up"):
        find_platform()


def test_a_token_is_not_shown(home_of_its_own: Path) -> None:
    announce(home_of_its_own, "http://127.0.0.1:1", "very-secret")
    assert "very-secret" not in repr(find_platform())


def test_a_client_follows_a_platform_to_its_new_port(home_of_its_own: Path, answers: Answers) -> None:
    answers.script = [OK]
    announce(home_of_its_own, "http://127.0.0.1:9", "old")
    transport = Transport(find_platform(), patience=Patience(2.0, 2.0, 0.05))
    moved: Callable[[str], None] = lambda _: announce(home_of_its_own, answers.url, "new")  # noqa: E731
    transport.on_retry = moved
    assert transport.json("GET", "/kinds") == {"fine": True}
    assert answers.asked[-1][2]["Authorization"] == "Bearer new"
    transport.close()


def test_a_token_of_ones_own_is_kept_when_it_is_refused(home_of_its_own: Path, answers: Answers) -> None:
    answers.script = [(401, {}, {"error": {"code": "unauthenticated", "message": "no", "details": {}}})]
    announce(home_of_its_own, answers.url, "local")
    transport = Transport(find_platform(token="mine"))
    with pytest.raises(errors.Unauthenticated):
        transport.json("GET", "/kinds")
    assert [headers["Authorization"] for _, _, headers in answers.asked] == ["Bearer mine"]
    transport.close()


def test_what_json_cannot_hold_is_not_sent(answers: Answers, transport: Transport) -> None:
    answers.script = [(200, {}, {})]
    for body, said in (
        ({"spec": {"goal_value": float("nan")}}, "goal_value: must be a finite number, not nan"),
        ({"parameters": {"x": [float("inf")]}}, "parameters.x.0: must be a finite number, not inf"),
        ({"name": "a\udce9"}, r"name: must be text in Unicode, and 'a\udce9' holds half of a character"),
    ):
        with pytest.raises(errors.Invalid) as refused:
            transport.create("/tunings", body)
        assert refused.value.message == said
    with pytest.raises(errors.Invalid, match="name: must be text in Unicode"):
        transport.json("GET", "/tunings", query={"name": "\udce9"})
    with pytest.raises(errors.Invalid, match="must be text in Unicode"):
        segment("\udce9")
    assert answers.asked == []


def test_a_closed_client_says_so() -> None:
    transport = Transport(Platform("http://127.0.0.1:9"))
    transport.close()
    with pytest.raises(errors.Invalid, match="this client was closed; make a new one"):
        transport.json("GET", "/auth/whoami")
