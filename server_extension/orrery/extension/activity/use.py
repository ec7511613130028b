"""Whether a notebook server is in use. Pure: samples in, a judgement out; the clock is the samples' own.

*In use* is whatever would be missed. A kernel that runs a cell is in use for as long as the cell runs, however silent.
So is anything that computes or moves data without a cell: a thread, a subprocess, a script started with `nohup`. A page
that is merely open is not: somebody has to type, click or scroll in it. What only shows or waits (`top`, `sleep`) is no
work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: processor time and bytes are judged over the last so many seconds
WINDOW_SECONDS: Final = 60.0
#: and not before so many are seen: importing a library is no training
MIN_WINDOW_SECONDS: Final = 20.0
#: cores in use, on average over the window, from which on it is work; an idle kernel takes about 0.003
WORKING_CORES: Final = 0.05
#: bytes read and written a second from which on it is work, such as a download
WORKING_BYTES: Final = 64 << 10
#: share of a GPU in use from which on the kernel that holds it works
WORKING_GPU: Final = 0.05
#: a kernel may take so long to start; then nobody waits for it
STARTING_SECONDS: Final = 300.0
#: programs that show something or wait, by their process's name
WATCHERS: Final = frozenset(
    {
        *("top", "htop", "btop", "atop", "watch", "nvtop", "nvidia-smi", "sleep", "less", "more", "man", "tail"),
        *("vi", "vim", "nvim", "nano", "emacs", "screen", "tmux", "tmux: server", "tmux: client"),
    }
)


@dataclass(frozen=True)
class GroupReading:
    """Processes that belong together; both counts only grow while the same processes live."""

    cpu_seconds: float = 0.0
    io_bytes: int = 0
    memory_bytes: int = 0
    #: indices of the GPUs that one of them has open
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True)
class KernelReading:
    """`execution_state` as Jupyter's protocol has it. `active_at`: its last message that somebody asked for."""

    id: str
    title: str
    execution_state: str
    active_at: float
    started_at: float
    #: None: its processes are not on this machine, and only the protocol tells
    group: GroupReading | None = None
    #: none of its own doing: the server reads its variables at this moment
    is_being_saved: bool = False


@dataclass(frozen=True)
class TerminalReading:
    """`foreground`: the program in front, None at the shell's prompt. `output_at`: when it last printed something."""

    name: str
    output_at: float
    foreground: str | None = None
    group: GroupReading = GroupReading()


@dataclass(frozen=True)
class Sample:
    """Everything that was seen at one moment; times in seconds since 1970."""

    at: float
    kernels: tuple[KernelReading, ...] = ()
    terminals: tuple[TerminalReading, ...] = ()
    #: processes of neither a kernel nor a terminal; what only shows or waits is left out
    background: GroupReading = GroupReading()
    #: the busiest of them by processor time, to name it
    background_name: str = ""
    #: when somebody last typed, clicked or scrolled in Lab
    person_at: float | None = None
    #: share in use of each GPU
    gpu_used: Mapping[int, float] = field(default_factory=dict[int, float])


@dataclass(frozen=True)
class Use:
    """`idle_since` is None while in use; `because` then says why, `since` since when. Else it says what came last."""

    idle_since: float | None
    because: str
    since: float


@dataclass(frozen=True)
class KernelUse:
    id: str
    title: str
    use: Use
    memory_bytes: int
    holds_gpu: bool


@dataclass(frozen=True)
class Judgement:
    """The server as a whole, and each of its kernels."""

    server: Use
    kernels: tuple[KernelUse, ...] = ()


@dataclass
class _Subject:
    """One thing that may be at work: what is remembered of it between samples."""

    active_at: float
    last: str
    busy_since: float | None = None
    #: (at, processor seconds, bytes), growing
    window: deque[tuple[float, float, int]] = field(default_factory=deque[tuple[float, float, int]])
    cpu_seconds: float = 0.0
    io_bytes: int = 0
    before: GroupReading | None = None

    def measure(self, at: float, group: GroupReading) -> str | None:
        """What it does that is work without saying so: over the window, None for nothing."""
        if self.before is not None:
            # where processes ended, the sum falls: that is no negative work
            self.cpu_seconds += max(0.0, group.cpu_seconds - self.before.cpu_seconds)
            self.io_bytes += max(0, group.io_bytes - self.before.io_bytes)
        self.before = group
        self.window.append((at, self.cpu_seconds, self.io_bytes))
        while len(self.window) > 2 and self.window[1][0] <= at - WINDOW_SECONDS:
            self.window.popleft()
        began, cpu, moved = self.window[0]
        seconds = at - began
        if seconds < MIN_WINDOW_SECONDS:
            return None
        cores = (self.cpu_seconds - cpu) / seconds
        if cores >= WORKING_CORES:
            return f"uses {cores:.1f} cores" if cores >= 0.95 else f"uses {cores:.0%} of a core"
        if (self.io_bytes - moved) / seconds >= WORKING_BYTES:
            return "moves data"
        return None

    def judge(self, at: float, work: str | None, active_at: float | None, trace: str) -> Use:
        """`work`: what it does now; `active_at`: its latest sign of use otherwise, `trace` in words."""
        if active_at is not None and active_at > self.active_at:
            self.active_at, self.last = active_at, trace
        if work is None:
            self.busy_since = None
            return Use(self.active_at, self.last, self.active_at)
        if self.busy_since is None:
            self.busy_since = at
        self.active_at, self.last = at, work
        return Use(None, work, self.busy_since)


class ActivityLog:
    """What was seen so far. Give it a sample every few seconds; the more seldom, the coarser its times."""

    def __init__(self, started_at: float) -> None:
        self._server = _Subject(started_at, "the server started")
        self._subjects: dict[str, _Subject] = {}

    def observe(self, sample: Sample) -> Judgement:
        """The judgement at the sample's moment. Samples come in order."""
        kernels = tuple(self._kernel(kernel, sample) for kernel in sample.kernels)
        uses = [kernel.use for kernel in kernels]
        uses += [self._terminal(terminal, sample) for terminal in sample.terminals]
        uses.append(self._background(sample))
        alive = {f"kernel {k.id}" for k in sample.kernels} | {f"terminal {t.name}" for t in sample.terminals}
        self._subjects = {key: found for key, found in self._subjects.items() if key in alive or key == "background"}
        return Judgement(self._whole(sample, uses), kernels)

    def _whole(self, sample: Sample, uses: list[Use]) -> Use:
        busy = [use for use in uses if use.idle_since is None]
        if busy:
            longest = min(busy, key=lambda use: use.since)
            # what ended is remembered when it has ended, also where its kernel is gone with it
            self._server.active_at, self._server.last = sample.at, longest.because
            return longest
        traces = [(use.since, use.because) for use in uses]
        if sample.person_at is not None:
            traces.append((sample.person_at, "somebody worked in JupyterLab"))
        if traces:
            at, last = max(traces)
            if at > self._server.active_at:
                self._server.active_at, self._server.last = min(at, sample.at), last
        return Use(self._server.active_at, self._server.last, self._server.active_at)

    def _subject(self, key: str, at: float, last: str) -> _Subject:
        return self._subjects.setdefault(key, _Subject(at, last))

    def _kernel(self, kernel: KernelReading, sample: Sample) -> KernelUse:
        name = f"kernel {kernel.title}"
        subject = self._subject(f"kernel {kernel.id}", min(kernel.started_at, sample.at), f"{name} started")
        group = kernel.group or GroupReading()
        unspoken = subject.measure(sample.at, group)
        work: str | None = None
        if kernel.is_being_saved:
            # reading its variables is none of its own doing
            unspoken = None
        elif kernel.execution_state == "busy":
            work = f"{name} runs a cell"
        elif kernel.execution_state in ("starting", "restarting", "autorestarting"):
            if sample.at - kernel.started_at < STARTING_SECONDS:
                work = f"{name} starts"
        elif (gpu := max((sample.gpu_used.get(index, 0.0) for index in group.gpus), default=0.0)) >= WORKING_GPU:
            work = f"{name} holds a GPU that is {gpu:.0%} in use"
        elif unspoken is not None:
            work = f"{name} {unspoken} without running a cell"
        if kernel.execution_state != "idle":
            # what a cell does is the cell's; what goes on without one is judged from its end on
            subject.window.clear()
        use = subject.judge(sample.at, work, min(kernel.active_at, sample.at), f"{name} ran a cell")
        return KernelUse(kernel.id, kernel.title, use, group.memory_bytes, bool(group.gpus))

    def _terminal(self, terminal: TerminalReading, sample: Sample) -> Use:
        name = f"terminal {terminal.name}"
        subject = self._subject(f"terminal {terminal.name}", sample.at, f"{name} was opened")
        unspoken = subject.measure(sample.at, terminal.group)
        is_watching = terminal.foreground in WATCHERS
        work: str | None = None
        if terminal.foreground is not None and not is_watching:
            work = f"{name} runs {terminal.foreground}"
        elif unspoken is not None:
            work = f"{name} {unspoken} in the background"
        output_at = None if is_watching else min(terminal.output_at, sample.at)
        return subject.judge(sample.at, work, output_at, f"{name} printed something")

    def _background(self, sample: Sample) -> Use:
        subject = self._subject("background", self._server.active_at, self._server.last)
        unspoken = subject.measure(sample.at, sample.background)
        what = sample.background_name or "a process"
        work = None if unspoken is None else f"{what} {unspoken} in the background"
        return subject.judge(sample.at, work, None, "")
