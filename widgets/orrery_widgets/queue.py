"""The machine's queue, live: what is held, what waits and why, and one's own jobs with a way to stop them.

from orrery_widgets import Queue
Queue()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from orrery.client import Client, Resource, Training
from orrery.client.displays import start_text
from orrery_widgets import code, parts
from orrery_widgets.panel import Panel

MOST = 100
#: kinds whose resources hold the machine while they run
HOLDERS = ("training", "endpoint")
_GONE = ("Completed", "Failed", "Cancelled", "Stopped")


@dataclass(frozen=True)
class _Line:
    """The controls of one job."""

    words: Any
    on_cpu: Any
    box: Any


class Queue(Panel):
    """Follows the platform; a stop asks first. A training that waits for a GPU may be started on CPU meanwhile."""

    def __init__(self, *, client: Client | None = None) -> None:
        super().__init__("Queue", client=client)
        self._held, self._waiting_head = parts.html(), parts.html()
        self._waiting, self._running = parts.box(), parts.box()
        self._running_head = parts.html()
        #: a line is kept while its job is shown, so that a question in it is not torn away
        self._lines: dict[str, _Line] = {}
        self.waiting: list[Mapping[str, Any]] = []
        self.running: list[Resource] = []
        self.set_body([self._held, self._waiting_head, self._waiting, self._running_head, self._running])
        self.run(self._begin)

    # what a person does

    def stop_job(self, id: str) -> None:
        """Stop the training or the endpoint of that id."""
        self.run(lambda: self._stop(id))

    def start_on_cpu(self, id: str) -> None:
        """Start a copy of the training of that id, which waits for a GPU and keeps its place, on CPU."""
        self.run(lambda: self._start_on_cpu(id))

    @property
    def held(self) -> str:
        """What is handed out, as HTML."""
        return str(self._held.value)

    def line_of(self, id: str) -> str:
        """The line of one job, as HTML; empty where there is none."""
        return str(self._lines[id].words.value) if id in self._lines else ""

    def offers_cpu(self, id: str) -> bool:
        """Whether the line of one job offers to start it on CPU meanwhile."""
        return id in self._lines and self._lines[id].on_cpu.layout.display != "none"

    def code(self) -> str:
        return code.program("queue = client.queue()", 'print(queue["capacity"], queue["items"])')

    # reading

    def _begin(self) -> None:
        self._read()
        self.listen([], self._read, every_seconds=1.0)

    def _read(self) -> None:
        queue = self.client.queue()
        me = self.client.whoami()["name"]
        waiting: list[Mapping[str, Any]] = queue["items"]
        queued = {entry["resource"] for entry in waiting}
        running = [
            resource
            for kind in HOLDERS
            for resource in self.client.kind(kind).list(owner=me, limit=MOST)
            if resource.status.state not in _GONE and resource.id not in queued
        ]
        self._held.value = show_capacity(queue["capacity"])
        words = parts.plural(len(waiting), "job") if waiting else "nothing"
        pause = queue.get("pause")
        stopped = parts.soft(describe_pause(pause)) if pause else ""
        self._waiting_head.value = f"{parts.group(f'Waits: {words}')}{stopped}"
        self._running_head.value = parts.group(f"Yours that hold it: {len(running) or 'none'}")
        self._waiting.children = [
            self._line(entry["resource"], _describe_waiting(entry), entry["owner"] == me, entry.get("meanwhile"))
            for entry in waiting
        ] + [self._line(None, _describe_later(entry), False) for entry in queue.get("later", [])]
        self._running.children = [self._line(one.id, _describe_running(one), True) for one in running]
        shown = {*queued, *(one.id for one in running)}
        self.waiting, self.running = waiting, running
        self._lines = {id: line for id, line in self._lines.items() if id in shown}

    def _line(self, id: str | None, described: str, is_own: bool, meanwhile: str | None = None) -> Any:
        """One job; another's, of which only the place is known, has no id. `meanwhile`: where a copy would start."""
        if id is None or id not in self._lines:
            words = parts.html()
            words.layout.flex, words.layout.min_width = "1 1 0", "0"
            if id is None:
                words.value = described
                return parts.row([words], flex_flow="row nowrap", width="100%")
            on_cpu = parts.button("Start on CPU meanwhile", lambda: self.start_on_cpu(id))
            controls = [words, on_cpu]
            if is_own:
                controls.append(parts.confirmed("Stop", "Stop it?", lambda: self.stop_job(id)))
            self._lines[id] = _Line(words, on_cpu, parts.row(controls, flex_flow="row nowrap", width="100%"))
        line = self._lines[id]
        line.words.value = described
        parts.show(line.on_cpu, meanwhile is not None)
        if meanwhile is not None:
            line.on_cpu.tooltip = f"Start a copy on {meanwhile} at once; this one keeps its place"
        return line.box

    def _start_on_cpu(self, id: str) -> None:
        waiting = self.client.find(id)
        assert isinstance(waiting, Training)
        copy = waiting.start_on_cpu()
        size = copy.spec["instance_type"]
        self.say(f"{copy.qualified_name} starts on {size}; {waiting.name} keeps its place in the queue.")
        self._read()

    def _stop(self, id: str) -> None:
        resource = self.client.find(id)
        resource.stop()
        self.say(f"{resource.qualified_name} is being stopped.")
        self._read()


def describe_pause(pause: Mapping[str, Any]) -> str:
    """`Paused by root: new disks. No job starts.`"""
    done = "Being drained" if pause["draining"] else "Paused"
    reason = f": {pause['reason']}" if pause["reason"] else ""
    return f"{done} by {pause['by']}{reason}. No job starts."


def show_capacity(capacity: Mapping[str, Mapping[str, Any]]) -> str:
    """Cores, memory and GPUs: how much of each is handed out."""
    total, held = capacity["total"], capacity["held"]
    lines = [
        _share("Cores", held["cores"], total["cores"], f"{held['cores']:g} of {total['cores']:g}"),
        _share(
            "Memory",
            held["memory_bytes"],
            total["memory_bytes"],
            f"{parts.size_text(held['memory_bytes'])} of {parts.size_text(total['memory_bytes'])}",
        ),
    ]
    if total["gpus"]:
        lines.append(_share("GPUs", held["gpus"], total["gpus"], f"{held['gpus']} of {total['gpus']}"))
    return "".join(lines)


def _share(name: str, held: float, total: float, words: str) -> str:
    percent = 100 * held / total if total else 0
    return (
        f"<div class='orrw-bar'><span class='orrw-bar-name'>{name}</span><span class='orrw-bar-track' role='meter' "
        f"aria-label='{name} held' aria-valuemin='0' aria-valuemax='100' aria-valuenow='{percent:.0f}'>"
        f"<span class='orrw-bar-fill' style='display:block;width:{min(100, percent):.1f}%'></span></span>"
        f"<span>{escape(words)} held</span></div>"
    )


def _describe_waiting(entry: Mapping[str, Any]) -> str:
    title = entry["title"] or f"a job of {entry['owner']}"
    size = [parts.plural(entry["cores"], "core"), parts.size_text(entry["memory_bytes"])]
    size += [parts.plural(entry["gpus"], "GPU")] if entry["gpus"] else []
    reason = f" · {entry['reason']}" if entry["reason"] else ""
    start = start_text(entry.get("starts_in_seconds"))
    reason += f" · starts {start}" if start else ""
    priority = "" if entry["priority"] == "NORMAL" else f" · priority {entry['priority']}"
    facts = f"{entry['kind'] or ''} · asks for {', '.join(size)}{priority}{reason}".removeprefix(" · ")
    return f"<b>{entry['place']}.</b> {escape(str(title))} {parts.soft(facts)}"


def _describe_later(entry: Mapping[str, Any]) -> str:
    title = entry["title"] or f"a job of {entry['owner']}"
    return f"<b>–</b> {escape(str(title))} {parts.soft(entry['reason'] or 'begins later')}"


def _describe_running(resource: Resource) -> str:
    progress = resource.status.progress
    share = f" · {progress.fraction:.0%}" if progress is not None and progress.fraction is not None else ""
    facts: Sequence[str] = [resource.kind, resource.status.phase + share, str(resource.spec.get("instance_type") or "")]
    return f"{escape(resource.qualified_name)} {parts.soft(' · '.join(fact for fact in facts if fact))}"
