"""The program of a kernel on an instance: it holds the place, and runs there what the notebook server tells it to.

A restart replaces the kernel's process and keeps the place. The host ends when the notebook server says so, or when it
has not been heard of for the lease: then nobody can reach the kernel any more, and the instance is free for others.

Between processes of one machine everything goes over sockets in a private folder; between machines over TCP.
"""

# jupyter_client and zmq carry few types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NoReturn

import zmq

from orrery.jobs import report
from orrery.jobs.kernel_wire import CHANNELS, KEY_VARIABLE, make_session, read

#: between two looks at the kernel's process and the lease
TURN_MILLISECONDS: Final = 200
#: the notebook server has to learn first where this is
FIRST_LEASE_SECONDS: Final = 60.0
END_SECONDS: Final = 3.0
#: what the instance says, whatever the notebook server's own environment has
_OF_THE_INSTANCE: Final = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS", "OMP_WAIT_POLICY"),
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "ORRERY_KERNEL"),
)
#: of the environment of a notebook server on another machine, what goes with its user
_OF_THE_NOTEBOOK: Final = ("JPY_SESSION_NAME", "ORRERY_NOTEBOOK_ID", "LANG", "TZ")


def run(transport: str = "ipc", lease_seconds: float = 60.0) -> None:
    """Until the notebook server ends it, or is gone."""
    signal.signal(signal.SIGTERM, _leave)
    host = Host(os.environ.pop(KEY_VARIABLE), transport, lease_seconds)
    try:
        host.listen()
        reason = host.serve()
    finally:
        host.close()
    print(reason, flush=True)
    report.result({"ended": reason})


def _leave(_signum: int, _frame: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


class Host:
    """One socket for the notebook server's requests, and at most one kernel."""

    def __init__(self, key: str, transport: str, lease_seconds: float) -> None:
        self.transport = transport
        self.lease_seconds = lease_seconds
        #: short, since a unix socket's path has 107 bytes at most
        self.folder = Path(tempfile.mkdtemp(prefix="orrery-k-"))
        self.process: subprocess.Popen[bytes] | None = None
        self.ending: str | None = None
        self._session = make_session(key)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 500
        self._heard = time.monotonic() + max(0.0, FIRST_LEASE_SECONDS - lease_seconds)

    def listen(self) -> None:
        """Take an address, and report it with those that the kernel will have."""
        if self.transport == "ipc":
            address = f"ipc://{self.folder}/host"
            self._socket.bind(address)
            where: dict[str, Any] = {"address": address, "transport": "ipc", "ip": str(self.folder / "k")}
            where |= {f"{channel}_port": number for number, channel in enumerate(CHANNELS, start=1)}
        else:
            public, secret = zmq.curve_keypair()
            self._socket.curve_publickey, self._socket.curve_secretkey = public, secret
            self._socket.curve_server = True
            port = self._socket.bind_to_random_port("tcp://*")
            ip = own_address()
            where = {"address": f"tcp://{ip}:{port}", "server_key": public.decode(), "transport": "tcp", "ip": ip}
            where |= dict(zip((f"{channel}_port" for channel in CHANNELS), free_ports(len(CHANNELS)), strict=True))
        report.result({"connection": where})

    def serve(self) -> str:
        """Returns why it ended, as a sentence."""
        while self.ending is None:
            if self._socket.poll(TURN_MILLISECONDS):
                self._answer(self._socket.recv_multipart())
            if time.monotonic() - self._heard > self.lease_seconds:
                return f"its notebook server has not been heard of for {self.lease_seconds:g} seconds"
        return self.ending

    def _answer(self, parts: list[bytes]) -> None:
        try:
            sender, request = read(self._session, parts)
        except ValueError as error:
            print(f"a request was passed over: {error}", file=sys.stderr, flush=True)
            return
        self._heard = time.monotonic()
        error = ""
        try:
            self._do(request["header"]["msg_type"], request["content"])
        except (OSError, KeyError, ValueError) as failed:
            error = f"the kernel could not be started: {failed}"
            print(error, file=sys.stderr, flush=True)
        code = None if self.process is None else self.process.poll()
        content = {"is_running": self.process is not None and code is None, "exit_code": code, "error": error}
        self._session.send(self._socket, "reply", content, parent=request, ident=sender)

    def _do(self, what: str, content: dict[str, Any]) -> None:
        match what:
            case "launch":
                self._end_kernel()
                self._launch(**content)
            case "signal" if self.process is not None and self.process.poll() is None:
                _signal_group(self.process.pid, int(content["signum"]))
            case "end":
                self.ending = str(content.get("reason") or "shut down from its notebook")
            case _:
                pass

    def _launch(
        self,
        argv: list[str],
        connection_file: str,
        cwd: str,
        environment: dict[str, str],
        connection: dict[str, Any],
    ) -> None:
        own = self.folder / "connection.json"
        if self.transport == "tcp":
            connection = {**connection, "ip": "0.0.0.0"}
        with open(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(connection, file)
        folder = cwd
        if not os.path.isdir(folder):
            folder = os.getcwd()
            print(f"the notebook's folder {cwd} is not on this machine; the kernel works in {folder}", flush=True)
        self.process = subprocess.Popen(
            [argument.replace(connection_file, str(own)) for argument in argv],
            cwd=folder,
            env=self._environment(environment),
            stdin=subprocess.DEVNULL,
            # the interrupt of a cell reaches what it started
            start_new_session=True,
        )

    def _environment(self, given: dict[str, str]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _OF_THE_INSTANCE if name in os.environ}
        if self.transport == "tcp":
            of_notebook = {name: given[name] for name in _OF_THE_NOTEBOOK if name in given}
            return {**os.environ, **of_notebook, "JPY_PARENT_PID": str(os.getpid())}
        return {**given, **kept, "JPY_PARENT_PID": str(os.getpid())}

    def _end_kernel(self) -> None:
        process = self.process
        if process is None:
            return
        if process.poll() is None:
            _signal_group(process.pid, signal.SIGTERM)
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        self._end_kernel()
        self._context.destroy(linger=500)
        shutil.rmtree(self.folder, ignore_errors=True)


def _signal_group(group: int, signum: int) -> None:
    try:
        os.killpg(group, signum)
    except ProcessLookupError:
        pass  # it has ended, and all that it started


def own_address() -> str:
    """This machine's address as others reach it: the one that its own name stands for."""
    return socket.gethostbyname(socket.gethostname())


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()
