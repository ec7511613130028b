"""Kernels on instances, of a real Jupyter server on a real platform."""

from __future__ import annotations

import json
import os
import signal
import sys
import uuid
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orrery.testing.instance_kernels import Kernel, begin, connected, told, wait_for_kernels
from orrery.testing.jupyter import Jupyter, jupyter_lab
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until

SIZES = {
    "tiny": {"cores": 1, "memory_bytes": "2G"},
    "small-memory": {"cores": 1, "memory_bytes": "300M"},
    "whole": {"cores": 4, "memory_bytes": "1G"},
    "serve-tiny": {"cores": 0.1, "memory_bytes": "100M"},
}


#: what a notebook server would start where no platform runs: here the tests alone do that
NO_PLATFORM = [sys.executable, "-c", "raise SystemExit(1)"]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    environment = {
        "ORRERY_INSTANCE_TYPES": json.dumps(SIZES),
        "ORRERY_CORES": "4",
        "ORRERY_KERNEL_LEASE_SECONDS": "20",
    }
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def jupyter(platform: RunningPlatform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    with jupyter_lab(platform.home, tmp_path_factory.mktemp("lab"), command=NO_PLATFORM) as server:
        wait_for_kernels(server, "python3.on.tiny")
        yield server


@contextmanager
def kernel_on(server: Jupyter, type_name: str, base: str = "python3") -> Iterator[Kernel]:
    kernel_id = begin(server, f"{base}.on.{type_name}", path=f"{uuid.uuid4().hex}.ipynb")
    try:
        with connected(server, kernel_id) as kernel:
            yield kernel
    finally:
        with server.client() as client:
            client.delete(f"/api/kernels/{kernel_id}")


def live(platform: RunningPlatform) -> list[dict[str, Any]]:
    with platform.client() as client:
        return client.get("kernels", params={"state": "Pending,Running"}).json()["items"]


def none_held(platform: RunningPlatform) -> bool:
    with platform.client() as client:
        return not live(platform) and client.get("queue").json()["items"] == []


@pytest.fixture(autouse=True)
def nothing_left(platform: RunningPlatform) -> Iterator[None]:
    yield
    wait_until(lambda: not live(platform), what="every instance is given back")


def test_the_picker_offers_each_kernel_on_each_type_that_is_for_kernels(jupyter: Jupyter) -> None:
    specs = wait_for_kernels(jupyter, "python3.on.tiny")
    assert {name for name in specs if ".on." in name} == {
        f"python3.on.{name}" for name in ("tiny", "small-memory", "whole")
    }
    assert specs["python3.on.tiny"]["spec"]["display_name"] == "Python 3 · tiny"
    assert specs["python3"]["spec"]["display_name"] == "Python 3"


def test_a_kernel_on_an_instance_does_all_that_a_kernel_does(jupyter: Jupyter, platform: RunningPlatform) -> None:
    with kernel_on(jupyter, "tiny") as kernel:
        # computes, in the notebook's folder, on its instance
        assert kernel.run("import os; x = 41; print(x + 1, os.getcwd())").split() == ["42", jupyter_folder(jupyter)]
        assert kernel.run("print(os.environ['OMP_NUM_THREADS'], os.environ.get('ORRERY_KERNEL_KEY'))") == "1 None\n"
        [held] = live(platform)
        assert held["status"]["phase"] == "RUNNING"
        assert held["spec"]["instance_type"] == "tiny"
        assert "key" not in held["spec"]

        # input()
        asked = kernel.start("print('hello', input('name? '))", stdin=True)
        kernel.until(lambda message: message["msg_type"] == "input_request")
        kernel.send("input_reply", {"value": "ada"}, "stdin")
        heard = kernel.until(lambda message: message["msg_type"] == "stream")
        assert heard["content"]["text"].startswith("hello")
        kernel.until(lambda message: is_idle(message, asked))

        # completion
        asked = kernel.send("complete_request", {"code": "os.getc", "cursor_pos": 7})
        answer = kernel.until(lambda message: message["parent_header"].get("msg_id") == asked)
        while answer["msg_type"] != "complete_reply":
            answer = kernel.receive()
        assert any("getcwd" in match for match in answer["content"]["matches"])

        # a widget's messages, both ways
        kernel.run(
            "from ipykernel.comm import CommManager\n"
            "def opened(comm, message):\n"
            "    comm.on_msg(lambda m: comm.send({'twice': 2 * m['content']['data']['value']}))\n"
            "get_ipython().kernel.comm_manager.register_target('test', opened)"
        )
        kernel.send("comm_open", {"comm_id": "c1", "target_name": "test", "data": {}})
        kernel.send("comm_msg", {"comm_id": "c1", "data": {"value": 21}})
        answer = kernel.until(lambda message: message["msg_type"] == "comm_msg")
        assert answer["content"]["data"] == {"twice": 42}

        # interrupted
        asked = kernel.start("while True: pass")
        kernel.until(lambda message: message["msg_type"] == "execute_input")
        with jupyter.client() as client:
            assert client.post(f"/api/kernels/{kernel.id}/interrupt").status_code == 204
        stopped = kernel.until(lambda message: message["msg_type"] == "error")
        assert stopped["content"]["ename"] == "KeyboardInterrupt"
        kernel.until(lambda message: is_idle(message, asked))
        assert kernel.run("print(x)") == "41\n"


def test_a_restart_keeps_the_place(jupyter: Jupyter, platform: RunningPlatform) -> None:
    with kernel_on(jupyter, "tiny") as kernel:
        before = int(kernel.run("import os; x = 1; print(os.getpid())"))
        [held] = live(platform)
        with jupyter.client(timeout=60) as client:
            assert client.post(f"/api/kernels/{kernel.id}/restart").status_code == 200
        with connected(jupyter, kernel.id) as again:
            assert again.run("print(x)") == "NameError"
            assert int(again.run("import os; print(os.getpid())")) != before
        [still] = live(platform)
        assert still["id"] == held["id"]
        assert still["status"]["started_at"] == held["status"]["started_at"]


def test_a_kernel_that_crashes_is_started_again_in_its_place(jupyter: Jupyter, platform: RunningPlatform) -> None:
    with kernel_on(jupyter, "tiny") as kernel:
        kernel.run("import os, signal; x = 1")
        [held] = live(platform)
        kernel.start("os.kill(os.getpid(), signal.SIGKILL)")
        kernel.until(
            lambda message: message["msg_type"] == "status" and message["content"]["execution_state"] == "restarting"
        )
        with connected(jupyter, kernel.id) as again:
            assert again.run("print(x)") == "NameError"
        assert [one["id"] for one in live(platform)] == [held["id"]]


def test_an_environment_of_the_user_is_offered_there_too(jupyter: Jupyter, platform: RunningPlatform) -> None:
    environment = Path(jupyter_folder(jupyter)) / "custom-conda-envs" / "mine"
    venv.create(environment, system_site_packages=True, with_pip=False)
    site = next((environment / "lib").glob("python3*/site-packages"))
    (site / "only_here.py").write_text("VALUE = 42")
    # the platform's own packages, ipykernel among them, as `pip install ipykernel` would have put them there
    (site / "ours.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    folder = Path(jupyter_folder(jupyter)) / "data" / "kernels" / "mine"
    folder.mkdir(parents=True)
    argv = [str(environment / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3 (mine)", "language": "python", "env": {"OF_MINE": "yes"}}
    (folder / "kernel.json").write_text(json.dumps(spec))
    specs = wait_for_kernels(jupyter, "mine.on.tiny")
    assert specs["mine.on.tiny"]["spec"]["display_name"] == "Python 3 (mine) · tiny"
    with kernel_on(jupyter, "tiny", base="mine") as kernel:
        code = "import only_here, os, sys; print(only_here.VALUE, sys.prefix, os.environ['OF_MINE'])"
        assert kernel.run(code).split() == ["42", str(environment), "yes"]
        assert [one["spec"]["kernel"] for one in live(platform)] == ["mine"]


def test_one_that_waits_tells_its_place_and_begins_by_itself(jupyter: Jupyter) -> None:
    with kernel_on(jupyter, "whole") as first:
        assert first.run("print(1)") == "1\n"
        second = begin(jupyter, "python3.on.whole")
        waiting = wait_until(lambda: waiting_in_queue(jupyter, second), what="its place in the queue")
        assert waiting["queue"]["place"] == 1
        assert "cores" in waiting["message"]
        assert waiting["path"] == "work/analysis.ipynb"
    with connected(jupyter, second) as kernel:
        assert kernel.run("print(2)") == "2\n"
    with jupyter.client() as client:
        client.delete(f"/api/kernels/{second}")


def test_one_that_waits_can_be_given_up(jupyter: Jupyter, platform: RunningPlatform) -> None:
    with kernel_on(jupyter, "whole") as first:
        first.run("1")
        second = begin(jupyter, "python3.on.whole")
        wait_until(lambda: waiting_in_queue(jupyter, second), what="its place in the queue")
        with jupyter.client() as client:
            assert client.delete(f"/api/kernels/{second}").status_code == 204
            assert client.get(f"/api/kernels/{second}").status_code == 404
        wait_until(lambda: len(live(platform)) == 1, what="its place in the queue is free")


def test_stopping_it_at_the_platform_ends_it_with_words(jupyter: Jupyter, platform: RunningPlatform) -> None:
    with kernel_on(jupyter, "tiny") as kernel:
        kernel.run("1")
        [held] = live(platform)
        stopped = platform.cli("stop", "kernel", held["name"])
        assert stopped.returncode == 0, stopped.stderr
        kernel.until(lambda message: is_dead(message))
        assert told(jupyter, kernel.id)["message"] == "stopped"


def test_one_that_needs_too_much_memory_says_how_much_there_was(jupyter: Jupyter) -> None:
    with kernel_on(jupyter, "small-memory") as kernel:
        kernel.start("data = bytearray(900 << 20); import time; time.sleep(60)")
        kernel.until(lambda message: is_dead(message), seconds=60)
        lost = told(jupyter, kernel.id)
        assert lost["state"] == "lost"
        assert lost["message"].startswith("out of memory: small-memory has 0.293 GiB")


def test_it_outlives_the_platform(jupyter: Jupyter, platform: RunningPlatform) -> None:
    with kernel_on(jupyter, "tiny") as kernel:
        kernel.run("x = 7")
        platform.kill()
        assert kernel.run("print(x)") == "7\n"
        kernel.start("while True: pass")
        kernel.until(lambda message: message["msg_type"] == "execute_input")
        platform.start()
        with jupyter.client() as client:
            assert client.post(f"/api/kernels/{kernel.id}/interrupt").status_code == 204
        kernel.until(lambda message: message["msg_type"] == "error")
        assert kernel.run("print(x)") == "7\n"
        assert [one["status"]["phase"] for one in live(platform)] == ["RUNNING"]


def test_a_server_that_is_killed_gives_its_instances_back(platform: RunningPlatform, tmp_path: Path) -> None:
    with jupyter_lab(platform.home, tmp_path, command=NO_PLATFORM) as server:
        wait_for_kernels(server, "python3.on.tiny")
        kernel_id = begin(server, "python3.on.tiny")
        with connected(server, kernel_id) as kernel:
            kernel.run("1")
            [held] = live(platform)
            os.kill(server.process.pid, signal.SIGKILL)
        wait_until(lambda: not live(platform), seconds=90, what="the instance is free again")
        with platform.client() as client:
            ended = client.get(f"kernels/{held['id']}").json()
        assert "has not been heard of" in ended["status"]["message"]


def test_an_idle_one_is_shut_down(platform: RunningPlatform, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    environment = {"JUPYTER_CONFIG_PATH": str(tmp_path / "more")}
    (tmp_path / "more").mkdir()
    settings = {"OrreryExtension": {"kernel_idle_minutes": 0.15}}
    (tmp_path / "more" / "jupyter_server_config.json").write_text(json.dumps(settings))
    with jupyter_lab(platform.home, tmp_path, command=NO_PLATFORM, environment=environment) as server:
        wait_for_kernels(server, "python3.on.tiny")
        kernel_id = begin(server, "python3.on.tiny")
        with connected(server, kernel_id) as kernel:
            # not while a cell runs
            assert kernel.run("import time; time.sleep(11); print('done')") == "done\n"
            kernel.until(lambda message: is_dead(message))
        assert "nothing was computed" in told(server, kernel_id)["message"]


def waiting_in_queue(server: Jupyter, kernel_id: str) -> dict[str, Any] | None:
    found = told(server, kernel_id)
    return found if found.get("queue") else None


def is_idle(message: dict[str, Any], asked: str) -> bool:
    return (
        message["msg_type"] == "status"
        and message["content"]["execution_state"] == "idle"
        and message["parent_header"].get("msg_id") == asked
    )


def is_dead(message: dict[str, Any]) -> bool:
    return message["msg_type"] == "status" and message["content"]["execution_state"] == "dead"


def jupyter_folder(server: Jupyter) -> str:
    with server.client() as client:
        assert client.get("/api").is_success
    return os.readlink(f"/proc/{server.process.pid}/cwd")
