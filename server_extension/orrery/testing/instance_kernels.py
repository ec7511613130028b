"""Kernels of a real notebook server, spoken to as Lab speaks to them: on this machine and on instances."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from orrery.testing.jupyter import Jupyter
from orrery.testing.waiting import wait_until


def wait_for_kernels(server: Jupyter, name: str) -> dict[str, Any]:
    """The kernel specs that the server offers, `name` among them."""

    def offered() -> dict[str, Any] | None:
        with server.client() as client:
            specs = client.get("/api/kernelspecs").json()["kernelspecs"]
        return specs if name in specs else None

    return wait_until(offered, what=f"the kernel {name} is offered")


class Kernel:
    """One kernel, spoken to as Lab does."""

    def __init__(self, server: Jupyter, kernel_id: str, channels: ClientConnection) -> None:
        self.server = server
        self.id = kernel_id
        self.channels = channels

    def send(self, kind: str, content: dict[str, Any], channel: str = "shell") -> str:
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": "s",
            "username": "test",
            "version": "5.3",
        }
        message: dict[str, Any] = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "buffers": [],
        }
        self.channels.send(json.dumps({**message, "channel": channel}))
        return header["msg_id"]

    def receive(self, seconds: float = 60) -> dict[str, Any]:
        return json.loads(self.channels.recv(timeout=seconds))

    def until(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        while True:
            message = self.receive(seconds)
            if wanted(message):
                return message

    def start(self, code: str, *, stdin: bool = False) -> str:
        """Send `code` to run; the message's id."""
        content = {
            "code": code,
            "silent": False,
            "store_history": False,
            "allow_stdin": stdin,
            # else what is asked for just after an error is given up as well
            "stop_on_error": False,
        }
        return self.send("execute_request", content)

    def run(self, code: str, seconds: float = 60) -> str:
        """What `code` prints; with the error's name where it fails."""
        asked = self.start(code)
        printed = ""
        while True:
            message = self.receive(seconds)
            if message["parent_header"].get("msg_id") != asked:
                continue
            match message["msg_type"]:
                case "stream":
                    printed += message["content"]["text"]
                case "error":
                    printed += message["content"]["ename"]
                case "status" if message["content"]["execution_state"] == "idle":
                    return printed
                case _:
                    continue


def begin(server: Jupyter, name: str, *, path: str = "work/analysis.ipynb") -> str:
    """A new session's kernel, waiting or not; its id."""
    body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": name}}
    with server.client() as client:
        answer = client.post("/api/sessions", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["kernel"]["id"]


@contextmanager
def connected(server: Jupyter, kernel_id: str) -> Generator[Kernel]:
    url = f"{server.url}/api/kernels/{kernel_id}/channels?token={server.token}&session_id={uuid.uuid4().hex}"
    with connect(url.replace("http", "ws", 1), proxy=None, open_timeout=60) as channels:
        yield Kernel(server, kernel_id, channels)


def told(server: Jupyter, kernel_id: str) -> dict[str, Any]:
    """What Lab is told of a kernel on an instance; empty where nothing is."""
    with server.client() as client:
        items: list[dict[str, Any]] = client.get("/orrery-extension/kernels").json()["items"]
    found = [item for item in items if item["kernel_id"] == kernel_id]
    return found[0] if found else {}
