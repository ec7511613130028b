"""`python -m orrery_hub.start` as a plain program: scripts that behave, and scripts that do not."""

from __future__ import annotations

import json
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orrery.testing.processes import is_running, running
from orrery.testing.waiting import wait_until
from orrery_hub.start.records import describe_progress

START = [sys.executable, "-P", "-m", "orrery_hub.start"]
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root may do this")


@dataclass(frozen=True)
class Volume:
    """A data volume, and the start over it."""

    path: Path

    @property
    def scripts(self) -> Path:
        return self.path / "cont-init.d"

    def put(self, name: str, text: str, *, mode: int = 0o755) -> Path:
        self.scripts.mkdir(parents=True, exist_ok=True)
        script = self.scripts / name
        script.write_text(text)
        script.chmod(mode)
        return script

    def start(self, *words: str, seconds: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
        """A whole start, whose server only says that it was reached."""
        command = [*START, *words, "--", "sh", "-c", "echo the server runs"]
        done = subprocess.run(
            command,
            env={**os.environ, "ORRERY_DATA_DIR": str(self.path), **environment},
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "the server runs\n"), done.stderr
        return done

    @contextmanager
    def started(self, *command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """A start that is still under way, or whose server runs on."""
        settings = {"ORRERY_DATA_DIR": str(self.path), **environment}
        words = [*START, "--", *(command or ("sleep", "1000"))]
        with running(words, log=self.path / "server.log", environment=settings, folder=self.path) as process:
            yield process

    def last(self) -> dict[str, Any]:
        return self.all()[0]

    def all(self) -> list[dict[str, Any]]:
        return json.loads((self.path / ".orrery" / "start.json").read_text())["starts"]

    def script(self, name: str) -> dict[str, Any]:
        return next(script for script in self.last()["scripts"] if script["name"] == name)

    def exit_code(self, name: str) -> int:
        return int((self.scripts / f"{name}.exitcode").read_text())

    def output(self, name: str) -> str:
        return (self.scripts / f"{name}.output").read_text(errors="replace")

    @property
    def log(self) -> str:
        return (self.path / "cont-init.output").read_text(errors="replace")


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    path = tmp_path / "data"
    path.mkdir()
    return Volume(path)


def read_pid(path: Path) -> int:
    return int(wait_until(lambda: (path.exists() and path.read_text().strip()) or None, what=f"{path} names a process"))


def test_scripts_run_in_the_order_of_their_names_and_leave_code_output_and_log(volume: Volume) -> None:
    for name in ("9-last", "10-first", "a-after digits", "B-capital"):
        volume.put(name, f'#!/bin/sh\necho "{name}" | tee -a order\necho to stderr >&2\nexit 3\n')
    volume.start()
    order = ["10-first", "9-last", "B-capital", "a-after digits"]
    assert (volume.path / "order").read_text().splitlines() == order
    assert [script["name"] for script in volume.last()["scripts"]] == order
    for name in order:
        assert volume.exit_code(name) == 3
        assert volume.output(name) == f"{name}\nto stderr\n"
    assert [line for line in volume.log.splitlines() if not line.startswith("#")] == [
        line for name in order for line in (name, "to stderr")
    ]
    assert volume.last()["state"] == "complete"
    assert volume.script("9-last")["exit_code"] == 3


def test_the_server_takes_the_place_of_the_start(volume: Volume) -> None:
    volume.put("10-a", "#!/bin/sh\necho a\n")
    with volume.started() as process:
        wait_until(
            lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n", what="the server", process=process
        )


def test_a_volume_without_scripts_starts_and_gets_the_two_folders(volume: Volume) -> None:
    volume.start()
    assert volume.last()["scripts"] == []
    assert volume.scripts.is_dir()
    assert (volume.path / "custom-conda-envs").is_dir()


def test_without_a_volume_the_server_starts_all_the_same(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORRERY_DATA_DIR"}
    done = subprocess.run([*START, "--", "echo", "here"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "here\n"
    assert "ORRERY_DATA_DIR is not set" in done.stderr


def test_a_server_that_cannot_be_started_is_named(volume: Volume) -> None:
    done = subprocess.run(
        [*START, "--", "no-such-server"],
        env={**os.environ, "ORRERY_DATA_DIR": str(volume.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "'no-such-server' cannot be started: No such file or directory" in done.stderr


def test_what_does_not_run_says_why(volume: Volume, tmp_path: Path) -> None:
    outside = tmp_path / "outside.sh"
    outside.write_text("#!/bin/sh\ntouch ran\n")
    outside.chmod(0o755)
    volume.put("10-plain", "#!/bin/sh\ntouch ran\n", mode=0o644)
    volume.put("20-no-line", "touch ran\n")
    volume.put("25-empty", "")
    (volume.scripts / "30-out").symlink_to(outside)
    (volume.scripts / "40-nowhere").symlink_to("missing")
    (volume.scripts / "45-circle").symlink_to("45-circle")
    os.mkfifo(volume.scripts / "50-pipe", 0o755)
    (volume.scripts / "60-folder").mkdir()
    volume.put(".hidden", "#!/bin/sh\ntouch ran\n")
    volume.put("70-old.exitcode", "#!/bin/sh\ntouch ran\n")
    volume.put("70-old.output", "#!/bin/sh\ntouch ran\n")
    volume.start()
    assert not (volume.path / "ran").exists()
    assert {script["name"]: script["reason"] for script in volume.last()["scripts"]} == {
        "10-plain": "it is not executable; make it so: chmod +x",
        "20-no-line": "its first line does not begin with #!, as in #!/bin/bash",
        "25-empty": "its first line does not begin with #!, as in #!/bin/bash",
        "30-out": "it is a link that leads out of cont-init.d; put the script itself there",
        "40-nowhere": "it is a link that leads nowhere",
        "45-circle": "it is a link that leads nowhere",
        "50-pipe": "it is no regular file",
    }
    assert {script["state"] for script in volume.last()["scripts"]} == {"skipped"}
    assert (volume.scripts / "70-old.exitcode").exists(), "what only has the name of a record is left alone"


def test_a_link_within_the_folder_is_followed(volume: Volume) -> None:
    (volume.scripts / "lib").mkdir(parents=True)
    volume.put("lib/real.sh", "#!/bin/sh\necho linked\n")
    (volume.scripts / "10-link").symlink_to("lib/real.sh")
    volume.start()
    assert (volume.exit_code("10-link"), volume.output("10-link")) == (0, "linked\n")


@pytest.mark.parametrize("name", ["10 with spaces", "10-line\nbreak", "10-'quote\"$(touch bad)`;", "10-é🙂", "-rf"])
def test_a_name_may_be_anything(volume: Volume, name: str) -> None:
    volume.put(name, "#!/bin/sh\necho fine\n")
    volume.start()
    assert (volume.exit_code(name), volume.output(name)) == (0, "fine\n")
    assert not (volume.path / "bad").exists()


def test_a_name_that_is_no_text_is_run_and_recorded(volume: Volume) -> None:
    volume.scripts.mkdir()
    script = os.fsencode(volume.scripts) + b"/10-\xff"
    Path(os.fsdecode(script)).write_text("#!/bin/sh\necho fine\n")
    os.chmod(script, 0o755)
    volume.start()
    assert Path(os.fsdecode(script + b".exitcode")).read_text() == "0\n"
    assert volume.last()["scripts"][0]["name"] == "10-\udcff"


@pytest.mark.parametrize(
    ("first", "code", "words"),
    [
        ("#!/no/such/interpreter -x", 127, "its first line names '/no/such/interpreter', which is not there"),
        ("#!/bin/sh\r", 127, "Windows line ends"),
        ("#!/etc/passwd", 126, "'/etc/passwd' may not be run"),
        ("#!", 126, "it could not be started"),
    ],
)
def test_a_bad_interpreter_is_told_in_words(volume: Volume, first: str, code: int, words: str) -> None:
    volume.put("10-bad", f"{first}\necho no\n")
    volume.put("20-next", "#!/bin/sh\necho next\n")
    volume.start()
    assert volume.exit_code("10-bad") == code
    assert words in volume.output("10-bad")
    assert words in volume.script("10-bad")["reason"]
    assert volume.exit_code("20-next") == 0


def test_a_script_that_hangs_is_ended_with_all_that_it_started(volume: Volume) -> None:
    volume.put(
        "10-hang",
        "#!/bin/bash\ntrap '' TERM\nsleep 1000 & echo $! > one\nsetsid bash -c 'trap \"\" TERM; echo $$ > two; "
        "while :; do sleep 1; done' & \necho begun\nwhile :; do sleep 1; done\n",
    )
    volume.start(ORRERY_START_SCRIPT_SECONDS="1")
    assert volume.exit_code("10-hang") == 124
    assert "begun\n[ended after 1 seconds, its time limit (ORRERY_START_SCRIPT_SECONDS)]" in volume.output("10-hang")
    for name in ("one", "two"):
        assert not is_running(read_pid(volume.path / name))


def test_a_limit_that_is_no_number_stops_no_notebook(volume: Volume) -> None:
    volume.put("10-a", "#!/bin/sh\n")
    done = volume.start(ORRERY_START_SCRIPT_SECONDS="soon")
    assert "ORRERY_START_SCRIPT_SECONDS is 'soon'" in done.stderr
    assert volume.last()["problems"] == [
        "ORRERY_START_SCRIPT_SECONDS is 'soon', which is no positive number; 600 is used"
    ]
    assert volume.exit_code("10-a") == 0


@pytest.mark.parametrize("how", ["{} &", "nohup {} > log 2>&1 &", "setsid {} > /dev/null 2>&1 &", "(setsid {} &) &"])
def test_a_daemon_goes_on_with_the_server_and_ends_with_it(volume: Volume, how: str) -> None:
    daemon = "sh -c 'echo $$ > daemon; while :; do echo tick; sleep 0.05; done'"
    begun = "while [ ! -s daemon ]; do sleep 0.01; done"
    volume.put("10-daemon", f"#!/bin/bash\n{how.format(daemon)}\n{begun}\necho away\n")
    with volume.started() as process:
        pid = read_pid(volume.path / "daemon")
        wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n", what="the server")
        assert volume.exit_code("10-daemon") == 0
        assert volume.script("10-daemon")["left_running"] is True
        assert is_running(pid)
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: not is_running(pid), what="the daemon ends with the server")


def test_output_is_bounded_and_says_so(volume: Volume) -> None:
    volume.put("10-much", "#!/bin/sh\necho first\nhead -c 50000000 /dev/zero | tr '\\0' x\necho\necho last\n")
    volume.put("20-lines", "#!/bin/sh\nseq 1000\n")
    volume.start(ORRERY_START_OUTPUT_MIB="1")
    output = volume.output("10-much")
    assert len(output) < (1 << 20) + 200
    assert output.startswith("first\nxxx")
    assert output.endswith("xxx\nlast\n")
    assert "[... 48,9" in output
    assert "bytes are left out here ...]" in output
    assert volume.script("10-much")["output_bytes"] == 50_000_012
    assert volume.output("20-lines") == "".join(f"{number}\n" for number in range(1, 1001))


@pytest.mark.parametrize(
    "attack",
    [
        "kill -9 $PPID; sleep 1000 & echo $! > left; wait",
        'kill -9 -- -$(ps -o pgid= $PPID | tr -d " "); sleep 1000 & echo $! > left; wait',
    ],
)
def test_a_script_that_kills_its_parent_ends_itself_only(volume: Volume, attack: str) -> None:
    volume.put("10-attack", f"#!/bin/bash\n{attack}\n")
    volume.put("20-next", "#!/bin/sh\necho next\n")
    volume.start()
    assert volume.exit_code("10-attack") == 137
    assert "the process that watched it was ended" in volume.script("10-attack")["reason"]
    assert volume.output("20-next") == "next\n"
    left = volume.path / "left"
    if left.exists():
        wait_until(lambda: not is_running(read_pid(left)), what="nothing is left of it")


def test_a_script_that_kills_its_own_group_ends_itself_only(volume: Volume) -> None:
    volume.put("10-own", "#!/bin/bash\nkill -9 0\n")
    volume.start()
    assert volume.exit_code("10-own") == 137
    assert volume.script("10-own")["reason"] == "ended by signal SIGKILL"


def test_a_script_that_removes_the_folder_it_lies_in(volume: Volume) -> None:
    volume.put("10-remove", '#!/bin/bash\nrm -rf "$ORRERY_DATA_DIR/cont-init.d" "$ORRERY_DATA_DIR/.orrery"\n')
    volume.put("20-next", "#!/bin/sh\necho next\n")
    done = volume.start()
    assert "no 10-remove.exitcode: No such file or directory" in done.stderr
    assert "'20-next' ended with 127" in done.stderr


def test_records_are_never_written_through_links(volume: Volume, tmp_path: Path) -> None:
    volume.put("10-a", "#!/bin/sh\necho new\n")
    precious = tmp_path / "precious"
    precious.write_text("keep")
    for name in ("cont-init.d/10-a.output", "cont-init.d/10-a.exitcode", "cont-init.output"):
        (volume.path / name).symlink_to(precious)
    volume.start()
    assert precious.read_text() == "keep"
    assert volume.output("10-a") == "new\n"
    assert not (volume.path / "cont-init.output").is_symlink()


def test_results_of_scripts_that_are_gone_or_no_longer_run_are_removed(volume: Volume) -> None:
    gone, off = volume.put("10-gone", "#!/bin/sh\n"), volume.put("20-off", "#!/bin/sh\n")
    volume.put("30-stays", "#!/bin/sh\n")
    volume.start()
    assert volume.exit_code("10-gone") == volume.exit_code("20-off") == 0
    gone.unlink()
    off.chmod(0o644)
    (volume.scripts / "notes.output").write_text("somebody's own")
    (volume.scripts / "table.exitcode").write_text("somebody's own")
    volume.start()
    left = {path.name for path in volume.scripts.iterdir()}
    assert left == {"20-off", "30-stays", "30-stays.exitcode", "30-stays.output", "notes.output", "table.exitcode"}


def test_the_last_ten_starts_are_kept_newest_first(volume: Volume) -> None:
    script = volume.put("10-count", "#!/bin/sh\nexit 0\n")
    for number in range(12):
        script.write_text(f"#!/bin/sh\nexit {number}\n")
        volume.start()
    assert [start["scripts"][0]["exit_code"] for start in volume.all()] == list(range(11, 1, -1))


def test_the_record_tells_how_far_a_start_is(volume: Volume) -> None:
    volume.put("10-done", "#!/bin/sh\n")
    volume.put("20-waits", "#!/bin/sh\nwhile [ ! -e go ]; do sleep 0.01; done\n")
    assert describe_progress(volume.path) == ""
    with volume.started() as process:
        expected = "cont-init.d: 20-waits runs (2 of 2)"
        wait_until(lambda: describe_progress(volume.path) == expected, what="the second script runs", process=process)
        assert volume.exit_code("10-done") == 0
        (volume.path / "go").touch()
        wait_until(lambda: volume.last()["state"] == "complete", what="the start is complete", process=process)
    assert describe_progress(volume.path) == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_is_asked_to_end_ends_its_script_and_says_so(volume: Volume, number: signal.Signals) -> None:
    volume.put("10-long", "#!/bin/bash\necho $$ > pid\necho begun\nsleep 1000\n")
    volume.put("20-never", "#!/bin/sh\ntouch ran\n")
    with volume.started("touch", "served") as process:
        pid = read_pid(volume.path / "pid")
        process.send_signal(number)
        assert process.wait(30) == 128 + number
    assert not is_running(pid)
    assert volume.last()["state"] == "interrupted"
    assert volume.script("10-long")["state"] == "interrupted"
    assert "begun" in volume.output("10-long")
    assert volume.script("20-never")["reason"] == "the start was ended before this ran"
    assert not (volume.path / "ran").exists()
    assert not (volume.path / "served").exists()


def test_a_start_that_is_killed_leaves_an_honest_record_and_no_script(volume: Volume) -> None:
    script = volume.put("10-long", "#!/bin/bash\necho $$ > pid\nsleep 1000\n")
    volume.put("20-never", "#!/bin/sh\n")
    with volume.started() as process:
        pid = read_pid(volume.path / "pid")
        process.kill()
        wait_until(lambda: not is_running(pid), what="the script ends with its start")
    script.write_text("#!/bin/sh\n")
    volume.start()
    now, before = volume.all()
    assert now["state"] == "complete"
    assert before["state"] == "interrupted"
    assert [(one["state"], one["reason"]) for one in before["scripts"]] == [
        ("interrupted", "the start was ended while this ran"),
        ("interrupted", "the start was ended before this ran"),
    ]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"starts": 3}', '{"starts": [1, {"state": "running"}]}'])
def test_a_broken_record_is_replaced(volume: Volume, content: str) -> None:
    (volume.path / ".orrery").mkdir()
    (volume.path / ".orrery" / "start.json").write_text(content)
    volume.put("10-a", "#!/bin/sh\n")
    volume.start()
    assert volume.last()["state"] == "complete"


@pytest.mark.parametrize("name", [".orrery", "cont-init.d", "cont-init.output", ".orrery/start.json"])
def test_what_is_in_the_way_never_keeps_the_notebook_from_starting(volume: Volume, name: str) -> None:
    target = volume.path / name
    target.parent.mkdir(exist_ok=True)
    if "." in target.name[1:]:
        target.mkdir()
    else:
        target.write_text("in the way")
    if name != "cont-init.d":
        volume.put("10-a", "#!/bin/sh\ntouch ran\n")
    volume.start()
    assert (volume.path / "ran").exists() == (name != "cont-init.d")


def test_nothing_in_the_folder_is_imported(volume: Volume) -> None:
    (volume.path / "json.py").write_text("raise SystemExit('imported')")
    volume.put("10-a", "#!/bin/sh\n")
    volume.start()
    assert volume.exit_code("10-a") == 0


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[Volume]:
    """A file system of two mebibytes."""
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.decode().strip()}")
    yield Volume(path)
    subprocess.run(["umount", "--lazy", path], check=True)


@needs_root
def test_a_script_that_fills_the_volume_is_told_of(small_volume: Volume) -> None:
    small_volume.put(
        "10-fill", "#!/bin/sh\nseq 1000\ncat /dev/zero > big 2>/dev/null\necho filled; seq 100000\nexit 5\n"
    )
    small_volume.put("20-next", "#!/bin/sh\necho next\n")
    small_volume.start()
    assert small_volume.exit_code("10-fill") == 5
    assert small_volume.script("10-fill")["exit_code"] == 5
    assert "the volume was full" in small_volume.script("10-fill")["reason"]
    assert small_volume.exit_code("20-next") == 0
    assert small_volume.last()["state"] == "complete"


@needs_root
def test_a_read_only_volume_starts_and_its_scripts_run(small_volume: Volume, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    small_volume.put("10-a", f"#!/bin/sh\ntouch {ran}\n")
    subprocess.run(["mount", "-o", "remount,ro", small_volume.path], check=True)
    done = small_volume.start()
    assert ran.exists()
    assert "nothing of this start is kept" in done.stderr
    assert "'10-a' ended with 0" in done.stderr


@needs_root
def test_scripts_run_as_root_and_the_server_as_the_user_for_good(volume: Volume) -> None:
    nobody = pwd.getpwnam("nobody")
    for folder in (volume.path, *volume.path.parents):
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
    volume.put("10-who", "#!/bin/sh\nid -u\n")
    shown = "id -u; id -g; id -G; echo $USER; grep Cap /proc/$$/status"
    done = subprocess.run(
        [*START, "--user", "nobody", "--", "sh", "-c", shown],
        env={**os.environ, "ORRERY_DATA_DIR": str(volume.path)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    uid, gid, groups, user, *capabilities = done.stdout.splitlines()
    assert (uid, gid, user) == (str(nobody.pw_uid), str(nobody.pw_gid), "nobody")
    assert "0" not in groups.split()
    held = dict(line.split(":\t") for line in capabilities)
    assert {held[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert volume.output("10-who") == "0\n"
    for name in ("cont-init.d/10-who.exitcode", "cont-init.d/10-who.output", "cont-init.output", ".orrery/start.json"):
        found = (volume.path / name).stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (nobody.pw_uid, 0o644), name


def test_an_account_that_is_not_there_is_named(volume: Volume) -> None:
    done = subprocess.run([*START, "--user", "no-such-one"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no account 'no-such-one'" in done.stderr
