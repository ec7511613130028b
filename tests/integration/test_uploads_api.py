"""Uploads over HTTP against a real server: the tus protocol, the plain PUT, and what each refuses."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from orrery import errors
from orrery.api.uploads import make_router
from orrery.domain.access import User
from orrery.store.objects import ObjectStore
from orrery.store.uploads import Limits, Uploads
from orrery.testing.waiting import wait_until

CONTENT = bytes(range(256)) * 20_000
PIECE = {"Content-Type": "application/offset+octet-stream", "Tus-Resumable": "1.0.0"}
STATUS: dict[type[errors.OrreryError], int] = {
    errors.Invalid: 400,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.OutOfSpace: 507,
}


def oid_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def current_user(request: Request) -> User:
    return User(request.headers.get("X-User", "alice"))


def make_app(home: Path, limits: Limits) -> FastAPI:
    objects = ObjectStore.from_url(home / "objects")
    app = FastAPI()
    app.include_router(make_router(Uploads(home / "uploads", objects, limits), objects, current_user))

    async def answer(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, errors.OrreryError)
        status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
        return JSONResponse({"error": {"code": error.code, "message": error.message, "details": error.details}}, status)

    app.add_exception_handler(errors.OrreryError, answer)
    return app


@contextlib.contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serving(make_app(tmp_path, Limits(upload_bytes=8 << 20))) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Tus-Resumable": "1.0.0"}, timeout=30) as connection:
        yield connection


def begin(client: httpx.Client, size: int, name: str = "data.csv") -> str:
    metadata = f"filename {base64.b64encode(name.encode()).decode()},filetype {base64.b64encode(b'text/csv').decode()}"
    answer = client.post("/api/v1/uploads", headers={"Upload-Length": str(size), "Upload-Metadata": metadata})
    assert answer.status_code == 201, answer.text
    return str(answer.url.join(answer.headers["Location"]))


def append(client: httpx.Client, location: str, offset: int, chunk: bytes, **headers: str) -> httpx.Response:
    return client.patch(location, content=chunk, headers={**PIECE, "Upload-Offset": str(offset), **headers})


def test_the_protocol_is_described(client: httpx.Client) -> None:
    answer = client.options("/api/v1/uploads")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Max-Size"] == str(8 << 20)
    assert "creation" in answer.headers["Tus-Extension"].split(",")


def test_a_file_in_pieces_becomes_an_object(client: httpx.Client, tmp_path: Path) -> None:
    location = begin(client, len(CONTENT))
    middle = len(CONTENT) // 3
    first = append(client, location, 0, CONTENT[:middle])
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, str(middle))
    assert "Orrery-Oid" not in first.headers
    seen = client.head(location)
    assert (seen.status_code, seen.headers["Upload-Offset"]) == (200, str(middle))
    assert seen.headers["Upload-Length"] == str(len(CONTENT))
    assert seen.headers["Cache-Control"] == "no-store"
    assert parsedate_to_datetime(seen.headers["Upload-Expires"]).timestamp() > time.time()
    last = append(client, location, middle, CONTENT[middle:])
    assert (last.status_code, last.headers["Orrery-Oid"]) == (204, oid_of(CONTENT))
    assert client.head(location).headers["Orrery-Oid"] == oid_of(CONTENT)
    told = client.get(location).json()
    assert (told["oid"], told["size"], told["name"]) == (oid_of(CONTENT), len(CONTENT), "data.csv")
    with ObjectStore.from_url(tmp_path / "objects").open(oid_of(CONTENT)) as stream:
        assert stream.read() == CONTENT


def test_creation_may_bring_the_bytes(client: httpx.Client) -> None:
    answer = client.post("/api/v1/uploads", content=b"a,b\n", headers={**PIECE, "Upload-Length": "4"})
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "4")
    assert answer.headers["Orrery-Oid"] == oid_of(b"a,b\n")


def test_an_empty_file_is_finished_at_once(client: httpx.Client) -> None:
    answer = client.post("/api/v1/uploads", headers={"Upload-Length": "0"})
    assert answer.headers["Orrery-Oid"] == oid_of(b"")


@pytest.mark.parametrize("path", ["/api/v1/uploads", "/api/v1/uploads/"])
def test_the_location_holds_behind_any_prefix(tmp_path: Path, path: str) -> None:
    app = FastAPI()
    app.mount("/services/orrery", make_app(tmp_path, Limits()))
    with serving(app) as address, httpx.Client(base_url=address, follow_redirects=True, timeout=60) as client:
        answer = client.post(f"/services/orrery{path}", headers={"Upload-Length": "3"})
        location = str(answer.url.join(answer.headers["Location"]))
        assert append(client, location, 0, b"abc").headers["Orrery-Oid"] == oid_of(b"abc")


def test_a_cut_connection_keeps_what_arrived(client: httpx.Client, url: str) -> None:
    location = begin(client, len(CONTENT))
    host, port = url.removeprefix("http://").split(":")
    path = httpx.URL(location).path
    with socket.create_connection((host, int(port))) as raw:
        head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(CONTENT)}\r\nUpload-Offset: 0\r\n"
        raw.sendall(f"{head}Content-Type: application/offset+octet-stream\r\n\r\n".encode() + CONTENT[: 3 << 20])
    wait_until(lambda: client.head(location).headers["Upload-Offset"] != "0")
    offset = int(client.head(location).headers["Upload-Offset"])
    assert offset <= 3 << 20
    assert append(client, location, offset, CONTENT[offset:]).headers["Orrery-Oid"] == oid_of(CONTENT)


def test_a_stalled_connection_gives_way_to_a_new_one(client: httpx.Client, url: str) -> None:
    location = begin(client, len(CONTENT))
    host, port = url.removeprefix("http://").split(":")
    path = httpx.URL(location).path
    with socket.create_connection((host, int(port))) as raw:
        head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(CONTENT)}\r\nUpload-Offset: 0\r\n"
        raw.sendall(f"{head}Content-Type: application/offset+octet-stream\r\n\r\n".encode() + CONTENT[: 1 << 20])
        deadline = time.monotonic() + 10
        answer = append(client, location, 0, CONTENT)
        while answer.status_code == 409 and time.monotonic() < deadline:
            offset = int(client.head(location).headers["Upload-Offset"])
            answer = append(client, location, offset, CONTENT[offset:])
        assert answer.headers["Orrery-Oid"] == oid_of(CONTENT)


def test_a_cancelled_upload_is_gone(client: httpx.Client, tmp_path: Path) -> None:
    location = begin(client, 10)
    append(client, location, 0, b"1234")
    assert client.delete(location).status_code == 204
    assert client.head(location).status_code == 404
    assert list((tmp_path / "uploads").iterdir()) == []


def test_a_piece_is_checked_against_its_checksum(client: httpx.Client) -> None:
    location = begin(client, 8)
    checksum = "sha256 " + base64.b64encode(hashlib.sha256(b"good").digest()).decode()
    damaged = append(client, location, 0, b"evil", **{"Upload-Checksum": checksum})
    assert (damaged.status_code, damaged.json()["error"]["code"]) == (460, "checksum_mismatch")
    assert append(client, location, 0, b"good", **{"Upload-Checksum": checksum}).headers["Upload-Offset"] == "4"
    assert append(client, location, 4, b"fine", **{"Upload-Checksum": "crc32 abc"}).status_code == 400
    assert append(client, location, 4, b"fine").headers["Orrery-Oid"] == oid_of(b"goodfine")


def test_nobody_reaches_anothers_upload(client: httpx.Client) -> None:
    location = begin(client, 10)
    bob = {"X-User": "bob"}
    assert client.head(location, headers=bob).status_code == 404
    assert client.get(location, headers=bob).status_code == 404
    assert client.delete(location, headers=bob).status_code == 404
    assert append(client, location, 0, b"0123456789", **bob).status_code == 404
    assert client.get("/api/v1/uploads", headers=bob).json() == []
    assert [upload["offset"] for upload in client.get("/api/v1/uploads").json()] == [0]


def test_a_wrong_offset_is_a_conflict_that_tells_the_right_one(client: httpx.Client) -> None:
    location = begin(client, 10)
    append(client, location, 0, b"1234")
    answer = append(client, location, 3, b"x")
    assert (answer.status_code, answer.json()["error"]["details"]) == (409, {"offset": 4})


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({}, 400, "Upload-Length is missing"),
        ({"Upload-Length": "ten"}, 400, "'ten'"),
        ({"Upload-Length": "-1"}, 400, "'-1'"),
        ({"Upload-Length": str(10 << 30)}, 413, "10,737,418,240"),
        ({"Upload-Length": "9" * 30}, 400, "999"),
        ({"Upload-Length": "1", "Tus-Resumable": "0.2.2"}, 412, "'0.2.2'"),
        ({"Upload-Length": "1", "Upload-Metadata": "filename !!"}, 400, "base64"),
    ],
)
def test_a_bad_creation_names_the_value(
    client: httpx.Client, tmp_path: Path, headers: dict[str, str], status: int, words: str
) -> None:
    answer = client.post("/api/v1/uploads", headers=headers)
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert list((tmp_path / "uploads").iterdir()) == []


def test_a_bad_piece_is_refused(client: httpx.Client) -> None:
    location = begin(client, 4)
    assert append(client, location, 0, b"12345").status_code == 413
    assert append(client, location, 0, b"1234", **{"Content-Type": "text/plain"}).status_code == 415
    assert client.head(location).headers["Upload-Offset"] == "0"


def test_a_file_that_the_disk_cannot_hold_is_refused_with_figures(tmp_path: Path) -> None:
    limits = Limits(upload_bytes=1 << 60, owner_bytes=1 << 60)
    with serving(make_app(tmp_path, limits)) as address:
        answer = httpx.post(f"{address}/api/v1/uploads", headers={"Upload-Length": str(1 << 59)}, timeout=60)
    assert answer.status_code == 507
    assert answer.json()["error"]["details"]["needed_bytes"] == 1 << 59


def test_put_streams_a_body_into_an_object(client: httpx.Client, tmp_path: Path) -> None:
    for body in (CONTENT, iter([CONTENT[:100], CONTENT[100:]])):
        answer = client.put("/api/v1/objects", params={"name": "data.csv"}, content=body)
        assert (answer.status_code, answer.json()) == (201, {"oid": oid_of(CONTENT), "size": len(CONTENT)})
    assert {upload["oid"] for upload in client.get("/api/v1/uploads").json()} == {oid_of(CONTENT)}
    assert [found.oid for found in ObjectStore.from_url(tmp_path / "objects").iterate()] == [oid_of(CONTENT)]


def test_put_refuses_a_huge_length_before_reading(url: str, tmp_path: Path) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        raw.sendall(f"PUT /api/v1/objects HTTP/1.1\r\nHost: x\r\nContent-Length: {10 << 30}\r\n\r\n".encode())
        answer = raw.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 413")
    assert list((tmp_path / "objects" / "staging").iterdir()) == []


def test_put_refuses_a_body_of_untold_length_at_the_limit(client: httpx.Client, tmp_path: Path) -> None:
    answer = client.put("/api/v1/objects", content=iter([bytes(1 << 20)] * 12))
    assert answer.status_code == 413
    assert list((tmp_path / "objects" / "staging").iterdir()) == []
    assert list(ObjectStore.from_url(tmp_path / "objects").iterate()) == []


def test_a_cut_put_leaves_nothing(url: str, tmp_path: Path) -> None:
    staging = tmp_path / "objects" / "staging"
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(f"PUT /api/v1/objects HTTP/1.1\r\nHost: x\r\nContent-Length: {len(CONTENT)}\r\n\r\n".encode())
        raw.sendall(CONTENT[: 2 << 20])
        wait_until(lambda: any(path.stat().st_size > 0 for path in staging.iterdir()))
    wait_until(lambda: list(staging.iterdir()) == [])
