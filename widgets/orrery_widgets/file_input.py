"""A picture, a sound or a file for a model: chosen from the disk, and shown."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]
import traitlets

from orrery_widgets import parts

_ACCEPTED = {"image": "image/*", "audio": "audio/*"}
_MOST_BYTES = 8 << 20


class FileInput(widgets.VBox):
    """`value` is the file as base64, empty for none; setting it shows it."""

    value: Any = traitlets.Unicode("")

    def __init__(self, label: str, kind: str, value: str = "") -> None:
        self._kind, self._label = kind, label
        self.upload: Any = widgets.FileUpload(description=f"{label}: choose", accept=_ACCEPTED.get(kind, ""))
        self.upload.tooltip = f"Choose a file for {label}"
        self.upload.layout.width = "auto"
        self._shown = parts.html()
        super().__init__([self.upload, self._shown])  # pyright: ignore[reportUnknownMemberType]
        self.upload.observe(self._chosen, names="value")
        parts.observe(self, self._show)
        self.value = value

    def _chosen(self, change: Mapping[str, Any]) -> None:
        files: Sequence[Mapping[str, Any]] = change["new"]
        if not files:
            return
        content = bytes(files[0]["content"])
        if len(content) > _MOST_BYTES:
            size = parts.size_text(len(content))
            self._shown.value = parts.alert(f"{files[0]['name']} has {size}; a panel sends at most 8 MiB")
            return
        self.value = base64.b64encode(content).decode()

    def _show(self) -> None:
        content, label = str(self.value), escape(self._label, quote=True)
        match self._kind if content else "":
            case "image":
                self._shown.value = picture(content, label)
            case "audio":
                source = f"data:audio/wav;base64,{content}"
                self._shown.value = f"<audio controls aria-label='{label}' src='{source}'></audio>"
            case "":
                self._shown.value = parts.soft("no file yet")
            case _:
                self._shown.value = parts.soft(f"{parts.size_text(len(content) * 3 // 4)} chosen")


def picture(content: str, label: str) -> str:
    """HTML of a picture given as base64."""
    return f"<img alt='{label}' src='data:image;base64,{content}' style='max-width: 320px; max-height: 200px'>"
