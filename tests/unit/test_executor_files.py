"""What is written is read back as it was; paths of sockets fit the kernel's limit; environments carry no secrets."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orrery.errors import Invalid, NotFound
from orrery.executors import folders, workfiles
from orrery.executors.contract import (
    CommandProgram,
    Exit,
    ExitReason,
    InputFile,
    JobSpec,
    NotebookProgram,
    Priority,
    Program,
    PythonProgram,
    Resources,
    ServiceSpec,
)
from orrery.executors.launch import expand, find_account, make_environment, needs_exec
from orrery.executors.replica import SOCKET_PATH_BYTES, socket_path
from orrery.executors.services import revision_of

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


@pytest.mark.parametrize(
    "program",
    [
        NotebookProgram("a.ipynb", "b.ipynb", {"rate": 0.1, "columns": ["ü"]}, "python3"),
        PythonProgram("module:function", {"deep": {"er": None}}),
        CommandProgram(("sh", "-c", "true")),
    ],
)
def test_a_job_is_read_back_as_it_was_accepted(tmp_path: Path, program: Program) -> None:
    spec = JobSpec(
        id="job",
        owner="alice",
        program=program,
        resources=Resources(1.5, 2 << 30, 1),
        priority=Priority.HIGH,
        time_limit_seconds=60.0,
        grace_seconds=3.0,
        environment={"A": "b"},
        files=(InputFile("a/b.csv", "0" * 64),),
        run_as="alice",
        title="Größe",
    )
    accepted = folders.AcceptedJob(spec, NOW, 7)
    folders.write_atomically(tmp_path / "job.json", folders.job_to_json(accepted))
    assert folders.read_job(tmp_path) == accepted
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]


def test_a_service_is_read_back_as_it_was(tmp_path: Path) -> None:
    spec = ServiceSpec("web", "alice", ("serve",), 3, Resources(2), {"A": "b"}, (InputFile("m", "0" * 64),), "/ready")
    assert folders.service_from_json(folders.service_to_json(spec)) == spec


def test_the_revision_changes_with_anything_but_the_number_of_replicas() -> None:
    basis = ServiceSpec("web", "alice", ("serve",))
    assert revision_of(basis) == revision_of(ServiceSpec("web", "alice", ("serve",), replicas=5))
    assert revision_of(basis) != revision_of(ServiceSpec("web", "alice", ("serve", "--fast")))


def test_an_end_is_read_back_as_it_was(tmp_path: Path) -> None:
    ended = Exit(ExitReason.TIMED_OUT, -15, NOW, NOW, 123, 4.5, "too long")
    folders.write_exit(tmp_path, ended)
    assert folders.read_exit(tmp_path) == ended
    assert folders.read_exit(tmp_path / "absent") is None


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with folders.hold_lock(tmp_path) as first, folders.hold_lock(tmp_path) as second:
        assert (first, second) == (True, False)
    with folders.hold_lock(tmp_path) as again:
        assert again
    with folders.hold_lock(tmp_path / "absent") as absent:
        assert not absent


def test_reports_longer_than_a_chunk_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workfiles, "REPORTS_CHUNK_BYTES", 16)
    path = tmp_path / "reports.jsonl"
    path.write_text('{"a": "' + "x" * 100 + '"}\n[1]\n{"b": Infinity}\n{"torn"')
    first, offset = workfiles.read_reports(path, 0)
    assert first == [{"a": "x" * 100}]
    rest: list[dict[str, object]] = []
    while True:
        more, following = workfiles.read_reports(path, offset)
        if following == offset:
            break
        rest, offset = rest + more, following
    assert rest == [{"b": "Infinity"}]
    assert path.read_bytes()[offset:] == b'{"torn"'


def test_a_name_that_is_no_unicode_is_told_and_found_by_what_was_told(tmp_path: Path) -> None:
    below = tmp_path / os.fsdecode(b"d\xfe")
    below.mkdir()
    (below / os.fsdecode(b"a\xff.txt")).write_text("odd")
    (tmp_path / "ä☃.txt").write_text("even")
    found = [info.path for info in workfiles.listing(tmp_path)]
    assert found == [r"d\xfe/a\xff.txt", "ä☃.txt"]
    for path, content in zip(found, (b"odd", b"even"), strict=True):
        with workfiles.open_inside(tmp_path, path) as file:
            assert file.read() == content
    for path in (r"d\xfe/b\xff.txt", r"\xff", r"d\xfe"):
        with pytest.raises(NotFound):
            workfiles.open_inside(tmp_path, path)


def test_reports_hold_what_json_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "reports.jsonl"
    path.write_text(r'{"a\ud800": NaN, "b": 1e999, "c": 99999999999999999999, "d": ["\udfff"]}' + "\n[1]\n{oh\n")
    reports, _ = workfiles.read_reports(path, 0)
    assert reports == [{r"a\ud800": "NaN", "b": "inf", "c": "99999999999999999999", "d": [r"\udfff"]}]


def test_sockets_stay_short_below_a_long_home(tmp_path: Path) -> None:
    assert socket_path(Path("/srv/orrery"), "0a1b2c3d") == Path("/srv/orrery/run/r/0a1b2c3d/s")
    long = socket_path(tmp_path / ("x" * 100), "0a1b2c3d")
    assert len(str(long)) <= SOCKET_PATH_BYTES
    assert long != socket_path(tmp_path / ("y" * 100), "0a1b2c3d")
    assert long.parent.parent.stat().st_mode & 0o022 == 0
    long.parent.parent.rmdir()
    socket_path(tmp_path / ("y" * 100), "0a1b2c3d").parent.parent.rmdir()


def test_the_environment_fits_the_resources_and_hides_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ORRERY_DATABASE_URL", "JUPYTERHUB_API_TOKEN", "MY_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("LANG", "C.UTF-8")
    given = {"ORRERY_TOKEN": "its own", "ORRERY_JOB_ID": "forged"}
    made = make_environment({"ORRERY_JOB_ID": "job"}, given, Resources(1.5), ("1", "3"), None, True)
    assert "hidden" not in made.values()
    assert made["ORRERY_TOKEN"] == "its own"
    assert made["ORRERY_JOB_ID"] == "job"
    assert made["OMP_NUM_THREADS"] == "2"
    assert made["CUDA_VISIBLE_DEVICES"] == "1,3"
    assert made["LANG"] == "C.UTF-8"


def test_references_are_expanded_and_unknown_ones_stay() -> None:
    assert expand("$(A)/x $(B) $A", {"A": "/folder"}) == "/folder/x $(B) $A"


def test_what_an_interpreter_reads_at_its_start_needs_one() -> None:
    assert needs_exec({"PYTHONHASHSEED": "0"})
    assert not needs_exec({"EM_HPS": "{}"})


def test_an_unknown_account_is_refused() -> None:
    with pytest.raises(Invalid, match="nobody-here"):
        find_account("nobody-here")
