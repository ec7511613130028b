"""Apps in tests: a notebook with a slider, its kernel behind a WebSocket, and the way through the door."""

from __future__ import annotations

import io
import json
import re
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import httpx
import nbformat
from websockets.sync.client import ClientConnection, connect

from orrery.testing.platform import put_object
from orrery.testing.waiting import wait_until

WAKE_SECONDS: Final = 120.0
KERNEL: Final = {"name": "python3", "display_name": "Python 3", "language": "python"}
_SLIDER: Final = """import ipywidgets as widgets
slider = widgets.IntSlider(value=rounds, description="Rounds")
label = widgets.Label()
def show(_):
    label.value = f"{rows} rows, {2 * slider.value} is twice {slider.value}"
slider.observe(show, "value")
show(None)
widgets.VBox([slider, label])"""
_ROWS: Final = """import os
from pathlib import Path
folder = os.environ.get("EM_DATASET_TRAIN")
rows = len(Path(folder, "data.csv").read_text().splitlines()) - 1 if folder else 0"""


def slider_notebook() -> bytes:
    """Counts the rows of dataset `train` where there is one; a slider, and a label that follows it."""
    new: Any = nbformat.v4
    notebook = new.new_notebook(metadata={"kernelspec": KERNEL})
    notebook.cells = [
        new.new_markdown_cell("# A small report"),
        new.new_code_cell("rounds: int = 3", metadata={"tags": ["parameters"]}),
        new.new_code_cell(_ROWS),
        new.new_code_cell(_SLIDER),
    ]
    written = io.StringIO()
    nbformat.write(notebook, written)  # pyright: ignore[reportUnknownMemberType]
    return written.getvalue().encode()


def publish(client: httpx.Client, name: str, notebook: bytes | None = None, **envelope: Any) -> Any:
    """A dashboard; `spec` in the envelope is laid over the notebook."""
    stored = put_object(client, notebook or slider_notebook())
    files = [{"path": "report.ipynb", "oid": stored["oid"], "size": stored["size"]}]
    spec = {"files": files, **envelope.pop("spec", {})}
    answer = client.post("dashboards", json={"name": name, "spec": spec, **envelope})
    assert answer.status_code == 201, answer.text
    return answer.json()


def knock(url: str, app_id: str, headers: dict[str, str] | httpx.Headers, rest: str = "") -> httpx.Response:
    """One visit at the door, as a browser's."""
    sent = httpx.Headers(headers)
    sent["Accept"] = "text/html"
    return httpx.get(f"{url}/apps/{app_id}/{rest}", headers=sent, timeout=30)


def enter(url: str, app_id: str, headers: dict[str, str] | httpx.Headers) -> str:
    """Knock until the door opens, and go in; the address of the app's own page, with its pass and a slash."""

    def opened() -> str | None:
        answer = knock(url, app_id, headers)
        assert answer.status_code in (202, 302), f"{answer.status_code} {answer.text}"
        return answer.headers["location"] if answer.status_code == 302 else None

    location = wait_until(opened, seconds=WAKE_SECONDS, what=f"app {app_id} is awake")
    return inside(str(httpx.URL(url).join(location)), headers)


def inside(entrance: str, headers: dict[str, str] | httpx.Headers | None = None) -> str:
    """Exchange the ticket in an entrance as a browser does; the address of the app's own page, in its frame."""
    sent = httpx.Headers(headers)
    sent["Accept"] = "text/html"
    with httpx.Client(headers=sent, timeout=120) as browser:
        exchanged = browser.get(entrance)
        assert exchanged.status_code == 302 and "~" not in exchanged.headers["location"], exchanged.text
        page = browser.get(str(httpx.URL(entrance).join(exchanged.headers["location"])))
    place, app_pass, rest = (re.search(rf'data-{name}="([^"]*)"', page.text) for name in ("place", "pass", "rest"))
    assert place and app_pass and rest, f"{page.status_code} {page.text}"
    return str(httpx.URL(entrance).join(f"{place[1]}/~{app_pass[1]}{rest[1]}"))


class PageKernel:
    """The kernel behind a dashboard's page, spoken to as the page does."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._session = uuid.uuid4().hex

    def send(self, type_: str, content: dict[str, Any]) -> None:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": type_, "session": self._session, "version": "5.3"}
        metadata = {"version": "1.0.0"}  # of the widgets' control protocol
        message = {"header": header, "parent_header": {}, "metadata": metadata, "content": content, "channel": "shell"}
        self._socket.send(json.dumps(message))

    def receive(self, type_: str) -> dict[str, Any]:
        """The content of the next message of that type."""
        while True:
            message = json.loads(self._socket.recv(timeout=30))
            if message["header"]["msg_type"] == type_:
                return message["content"]

    def widgets(self) -> dict[str, dict[str, Any]]:
        """The state of every widget, by the name of its model, with its id as `id`."""
        control = uuid.uuid4().hex
        target: dict[str, Any] = {"comm_id": control, "target_name": "jupyter.widget.control", "data": {}}
        self.send("comm_open", target)
        self.send("comm_msg", {"comm_id": control, "data": {"method": "request_states"}})
        while True:
            data = self.receive("comm_msg")["data"]
            if data.get("method") == "update_states":
                return {entry["model_name"]: {**entry["state"], "id": model} for model, entry in data["states"].items()}

    def set_value(self, model_id: str, value: object) -> None:
        data: dict[str, Any] = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        self.send("comm_msg", {"comm_id": model_id, "data": data})

    def wait_for(self, model_id: str, value: object) -> None:
        while True:
            content = self.receive("comm_msg")
            if content["comm_id"] == model_id and content["data"].get("state", {}).get("value") == value:
                return


@contextmanager
def page_kernel(address: str, *, origin: str | None = "null") -> Generator[PageKernel]:
    """Render the page at `address` (which starts its kernel) and connect to that, as a sandboxed page does."""
    page = httpx.get(address, timeout=120, headers={"Accept": "text/html"})
    assert page.status_code == 200, page.text
    found = re.search(r'"kernelId":\s*"([0-9a-f-]{36})"', page.text)
    assert found, page.text[-3000:]
    socket_address = f"{address.replace('http', 'ws', 1)}api/kernels/{found[1]}/channels"
    with connect(socket_address, origin=origin, max_size=None) as socket:  # pyright: ignore[reportArgumentType]
        yield PageKernel(socket)
