"""The kernel that a notebook job runs in.

Where the notebook asks for this very Python and this process still has a single thread, the kernel is *forked* from it:
everything that ipykernel imports is there already. The fork must happen before any ZeroMQ context or event loop exists.
Otherwise the kernel is started as its kernel spec says. Either way it stays in the job's process group, so that whoever
supervises the job reaches it, and it speaks over sockets in a private folder instead of TCP ports.
"""

# jupyter_client and ipykernel carry few types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIncompatibleMethodOverride=false, reportPrivateImportUsage=false

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

from orrery.errors import Invalid
from orrery.jobs.warm import thread_count

if TYPE_CHECKING:
    from ipykernel.ipkernel import IPythonKernel
    from jupyter_client.session import Session

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")


class ForkedProcess:
    """A forked child behind the part of `subprocess.Popen` that Jupyter's provisioner uses."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if timeout is not None and not _ends_within(self.pid, timeout):
                raise subprocess.TimeoutExpired("kernel", timeout)
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class GroupProvisioner(LocalProvisioner):
    """Starts the kernel inside the job's own process group, never in a session of its own."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        environment = dict(kwargs.get("env") or os.environ)
        environment["JPY_PARENT_PID"] = str(os.getpid())
        self.process = subprocess.Popen(cmd, env=environment, cwd=kwargs.get("cwd"), stdin=subprocess.DEVNULL)  # noqa: ASYNC220
        self.pid = self.process.pid
        return self.connection_info


class KernelClient(AsyncKernelClient):
    """A client that is ready at the kernel's first answer instead of after 0.2 quiet seconds."""

    def start_channels(self, *_: bool, **__: bool) -> None:
        # The manager knows whether the process lives: no heartbeat. Nobody answers questions: no stdin.
        super().start_channels(shell=True, iopub=True, stdin=False, hb=False, control=True)

    async def wait_for_ready(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        from queue import Empty

        # iopub may connect after the kernel's first messages: ask again until an answer has come on both channels.
        remaining = 60.0 if timeout is None else float(timeout)
        while remaining > 0:
            asked = self.kernel_info()
            try:
                reply = await self.get_shell_msg(timeout=1)
                self._handle_kernel_info_reply(reply)
                while True:
                    message = await self.get_iopub_msg(timeout=0.5)
                    state = message["content"].get("execution_state")
                    if message["parent_header"].get("msg_id") == asked and state == "idle":
                        return
            except Empty:
                remaining -= 1
            if not await self.is_alive():
                raise RuntimeError("the kernel ended before it answered")
        raise RuntimeError(f"the kernel did not answer within {timeout or 60:.0f} seconds")


class Kernel:
    """One kernel and the folder of its sockets. Use: `start`, `manager` for nbclient, then `close`."""

    def __init__(self, name: str) -> None:
        self.name = name
        #: short, since a unix socket's path has 107 bytes at most
        self.folder = Path(tempfile.mkdtemp(prefix="orrery-k-"))
        self.process: ForkedProcess | None = None
        self._ready: int | None = None
        self._connection: dict[str, Any] = {}
        self._manager: AsyncKernelManager | None = None
        try:
            self.spec: KernelSpec = KernelSpecManager().get_kernel_spec(name)
        except KeyError:
            self._remove_folder()
            known = ", ".join(sorted(KernelSpecManager().find_kernel_specs())) or "none"
            raise Invalid(f"there is no kernel {name!r} here; choose one of: {known}", kernel_name=name) from None

    @property
    def can_fork(self) -> bool:
        """Whether the spec means this Python, and a fork of this process would lose nothing."""
        argv = self.spec.argv
        same = os.path.realpath(argv[0]) == os.path.realpath(sys.executable) or argv[0] in ("python", "python3")
        return same and "ipykernel_launcher" in argv and not self.spec.env and thread_count() == 1

    def fork(self) -> None:
        """Start the kernel from this process. Call it before any ZeroMQ context or event loop exists."""
        self._connection = {
            "transport": "ipc",
            "ip": str(self.folder / "k"),
            "key": uuid.uuid4().hex,
            "signature_scheme": "hmac-sha256",
            **{f"{channel}_port": number for number, channel in enumerate(CHANNELS, start=1)},
        }
        connection_file = self.folder / "connection.json"
        descriptor = os.open(connection_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self._connection, file)
        parent = os.getpid()
        readable, writable = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.close(readable)
            _become_kernel(connection_file, parent, writable)
        os.close(writable)
        self.process = ForkedProcess(pid)
        self._ready = readable

    def manager(self) -> AsyncKernelManager:
        """A manager that nbclient can use; for a forked kernel, once the kernel listens."""
        if self._manager is not None:
            return self._manager
        manager = AsyncKernelManager(kernel_name=self.name, client_class=f"{__name__}.KernelClient")
        manager.autorestart = False
        if self.process is not None:
            self._wait_until_listening()
            manager.connection_file = str(self.folder / "connection.json")
            manager.load_connection_info(cast("Any", self._connection))
            provisioner = LocalProvisioner(kernel_id=uuid.uuid4().hex, kernel_spec=self.spec, parent=manager)
            provisioner.process = self.process  # pyright: ignore[reportAttributeAccessIssue]
            manager.provisioner = provisioner
        else:
            manager.connection_file = str(self.folder / "connection.json")
            if any("ipykernel" in argument for argument in self.spec.argv):
                manager.transport, manager.ip = "ipc", str(self.folder / "k")
            if not (self.spec.metadata or {}).get("kernel_provisioner"):
                manager.provisioner = GroupProvisioner(
                    kernel_id=uuid.uuid4().hex, kernel_spec=self.spec, parent=manager
                )
        self._manager = manager
        return manager

    def signal(self, signum: int) -> None:
        """Send a signal to the kernel's process alone; nothing where it has ended."""
        process = self._process()
        if process is not None:
            process.send_signal(signum)

    def exit_code(self) -> int | None:
        """Negative for a signal; None while it runs or where it never started."""
        process = self._process()
        return None if process is None else process.poll()

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Wait for a kernel that was asked to end, kill it after the time-out, and remove its sockets. Idempotent."""
        process = self._process()
        if process is not None and process.poll() is None:
            if not _ends_within(process.pid, timeout_seconds):
                process.kill()
            process.wait()
        if self._ready is not None:
            os.close(self._ready)
            self._ready = None
        self._remove_folder()

    def _process(self) -> Any:
        if self.process is not None:
            return self.process
        return getattr(self._manager.provisioner, "process", None) if self._manager is not None else None

    def _wait_until_listening(self) -> None:
        if self._ready is None:
            return
        answer = os.read(self._ready, 1)
        os.close(self._ready)
        self._ready = None
        if not answer:
            assert self.process is not None
            raise RuntimeError(f"the kernel ended while starting, with status {self.process.wait()}")

    def _remove_folder(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _ends_within(pid: int, seconds: float) -> bool:
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def _become_kernel(connection_file: Path, parent: int, ready: int) -> NoReturn:
    """In the fork: be an IPython kernel until asked to end. Never returns into the parent's code."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, _leave_it_to_the_job)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        sys.argv = ["ipykernel_launcher", "-f", str(connection_file)]
        # The launcher's own rule: the folder that the notebook runs in can be imported from.
        if sys.path and sys.path[0] != "":
            sys.path.insert(0, "")
        from ipykernel.kernelapp import IPKernelApp

        app = IPKernelApp.instance(parent_handle=parent, kernel_class=_job_kernel())
        app.initialize(["-f", str(connection_file), "--HistoryManager.enabled=False", "--log-level=ERROR"])
        # Its own orderly closing can wait ten seconds for a thread that it has stopped before: end without it. And the
        # publishing thread closes sockets that the control thread may be sending on, which ZeroMQ answers by aborting.
        atexit.unregister(app.close)
        atexit.unregister(app.iopub_thread.stop)
        os.write(ready, b"1")
        os.close(ready)
        app.start()
        status = 0
    except SystemExit as asked:
        status = asked.code if isinstance(asked.code, int) else 0
    except BaseException:
        import traceback

        traceback.print_exc(file=sys.__stderr__)
    finally:
        _leave(status)


def _job_kernel() -> type[IPythonKernel]:
    """An IPython kernel whose end stops the main thread alone: the process takes the others with it.

    ipykernel stops them one by one, and each closes sockets that another may still be sending on.
    """
    from ipykernel.ipkernel import IPythonKernel

    class JobKernel(IPythonKernel):
        async def shutdown_request(self, stream: Any, ident: Any, parent: Any) -> None:
            content = {"status": "ok", "restart": False}
            cast("Session", self.session).send(stream, "shutdown_reply", content, parent, ident=ident)
            await self._at_shutdown()
            self.io_loop.add_callback(self.io_loop.stop)

    return JobKernel


def _leave(status: int) -> NoReturn:
    """End as an interpreter would (exit hooks, buffers written) without unwinding into the code before the fork."""
    try:
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
        for thing in gc.get_objects():
            if isinstance(thing, io.TextIOWrapper | io.BufferedWriter | io.BufferedRandom) and not thing.closed:
                thing.flush()
    finally:
        os._exit(status)


def _leave_it_to_the_job(signum: int, frame: object) -> None:
    """A polite stop reaches the whole group; the job's own process interrupts the cell, once, so that it can save."""
