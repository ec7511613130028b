"""Running code in a kernel of a real notebook server, as a notebook does."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
from websockets.sync.client import connect


def run_in_kernel(
    browser: httpx.Client, server: str, code: str, *, seconds: float = 60, kernel: str | None = None
) -> str:
    """What `code` prints in a fresh kernel of the server at the path `server`; `kernel`: another than the usual one.

    Raises: AssertionError with the kernel's traceback.
    """
    browser.get(f"{server}lab")
    cookies = list(browser.cookies.jar)
    forgery = next(cookie.value for cookie in cookies if (cookie.name, cookie.path) == ("_xsrf", server)) or ""
    made = browser.post(
        f"{server}api/kernels", headers={"X-XSRFToken": forgery}, json={"name": kernel} if kernel else {}
    )
    made.raise_for_status()
    running = made.json()["id"]
    url = str(browser.base_url.join(f"{server}api/kernels/{running}/channels")).replace("http", "ws", 1)
    sent = "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies if server.startswith(cookie.path))
    printed: list[str] = []
    with connect(url, additional_headers={"Cookie": sent}, proxy=None) as channels:
        request = make_request(code)
        channels.send(json.dumps(request))
        while True:
            message: dict[str, Any] = json.loads(channels.recv(timeout=seconds))
            if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                printed.append(content["text"])
            elif kind == "error":
                raise AssertionError("\n".join(content["traceback"]))
            elif kind == "status" and content["execution_state"] == "idle":
                break
    browser.delete(f"{server}api/kernels/{running}", headers={"X-XSRFToken": forgery})
    return "".join(printed)


def make_request(code: str) -> dict[str, Any]:
    return {
        "header": {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "session": uuid.uuid4().hex,
            "username": "test",
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "content": {"code": code, "silent": False, "store_history": False, "allow_stdin": False},
        "buffers": [],
        "channel": "shell",
    }
