"""Whether a notebook server is in use, on a simulated clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orrery.extension.activity.quota import QuotaWatch
from orrery.extension.activity.use import (
    WATCHERS,
    ActivityLog,
    GroupReading,
    Judgement,
    KernelReading,
    Sample,
    TerminalReading,
    Use,
)

START = 1_000_000.0
STEP = 5.0
HOUR = 3600.0


def run(
    make: Callable[[float], Sample], seconds: float, log: ActivityLog | None = None, start: float = START
) -> list[Judgement]:
    """The judgements over a stretch of simulated time, a sample every five seconds."""
    log = log or ActivityLog(start)
    steps = int(seconds / STEP)
    return [log.observe(make(start + step * STEP)) for step in range(steps + 1)]


def kernel(at: float, state: str = "idle", *, cores: float = 0.0, moved: float = 0.0, gpus: tuple[int, ...] = ()):
    """One that was started, and used, at START; `cores` and `moved` (bytes a second) are what it does unasked."""
    lived = at - START
    group = GroupReading(cpu_seconds=cores * lived, io_bytes=int(moved * lived), gpus=gpus)
    return KernelReading("k1", "train.ipynb", state, active_at=START, started_at=START, group=group)


def test_a_training_loop_of_two_hours_without_output_is_never_idle() -> None:
    def silent(at: float) -> Sample:
        # no message comes, and while it waits for its data it hardly computes
        return Sample(at, kernels=(kernel(at, "busy"),))

    judged = run(silent, 2 * HOUR)
    assert len(judged) == 1441
    assert {judgement.server.idle_since for judgement in judged} == {None}
    last = judged[-1].server
    assert (last.because, last.since) == ("kernel train.ipynb runs a cell", START)


def test_a_thread_that_trains_behind_an_idle_kernel_is_work() -> None:
    judged = run(lambda at: Sample(at, kernels=(kernel(at, cores=0.4),)), 2 * HOUR)
    assert {judgement.server.idle_since for judgement in judged[4:]} == {None}
    assert judged[-1].server.because == "kernel train.ipynb uses 40% of a core without running a cell"


def test_a_download_in_a_thread_is_work() -> None:
    judged = run(lambda at: Sample(at, kernels=(kernel(at, cores=0.01, moved=1e6),)), HOUR)
    assert judged[-1].server.because == "kernel train.ipynb moves data without running a cell"


def test_a_kernel_that_holds_a_busy_gpu_works_and_one_on_an_idle_gpu_does_not() -> None:
    def at_gpu(used: float) -> Judgement:
        return run(lambda at: Sample(at, kernels=(kernel(at, gpus=(0,)),), gpu_used={0: used, 1: 1.0}), HOUR)[-1]

    assert at_gpu(0.87).server.because == "kernel train.ipynb holds a GPU that is 87% in use"
    idle = at_gpu(0.0)
    assert idle.server.idle_since == START
    assert idle.kernels[0].holds_gpu


def test_an_idle_kernel_is_idle_since_its_last_cell() -> None:
    def cell_for_ten_minutes(at: float) -> Sample:
        state = "busy" if at < START + 600 else "idle"
        return Sample(at, kernels=(kernel(at, state, cores=0.003),))

    judged = run(cell_for_ten_minutes, HOUR)
    assert judged[-1].server.idle_since == START + 595
    assert judged[-1].kernels[0].use.idle_since == START + 595


def test_what_a_cell_did_is_not_taken_for_work_after_its_end() -> None:
    def imports_much(at: float) -> Sample:
        state, lived = ("busy", at - START) if at <= START + 10 else ("idle", 10.0)
        group = GroupReading(cpu_seconds=lived, io_bytes=int(lived * 1e8))
        return Sample(at, kernels=(KernelReading("k1", "a.ipynb", state, START, START, group),))

    assert {judged.server.idle_since for judged in run(imports_much, 300)[3:]} == {START + 10}


def test_a_loop_that_only_sleeps_is_idle() -> None:
    """A script that was left to itself and waits: no processor time, no bytes."""
    judged = run(
        lambda at: Sample(at, background=GroupReading(cpu_seconds=0.0001 * (at - START)), background_name="bash"),
        HOUR,
    )
    assert judged[-1].server.idle_since == START


def test_a_script_started_with_nohup_is_work() -> None:
    judged = run(
        lambda at: Sample(at, background=GroupReading(cpu_seconds=0.9 * (at - START)), background_name="python"),
        2 * HOUR,
    )
    assert judged[-1].server.because == "python uses 90% of a core in the background"


@pytest.mark.parametrize("watcher", ["top", "tail", "vim", "sleep"])
def test_a_terminal_that_only_watches_is_idle_though_it_prints(watcher: str) -> None:
    judged = run(lambda at: Sample(at, terminals=(TerminalReading("1", output_at=at, foreground=watcher),)), 2 * HOUR)
    assert watcher in WATCHERS
    assert judged[-1].server.idle_since == START


def test_a_command_in_a_terminal_is_work_until_it_ends() -> None:
    def ssh(at: float) -> Sample:
        front = "rsync" if at < START + HOUR else None
        return Sample(at, terminals=(TerminalReading("1", output_at=START, foreground=front),))

    judged = run(ssh, 2 * HOUR)
    assert judged[100].server.because == "terminal 1 runs rsync"
    assert judged[-1].server.idle_since == START + HOUR - STEP


def test_a_page_left_open_is_no_use_and_a_key_pressed_in_it_is() -> None:
    open_page = run(lambda at: Sample(at, person_at=START), 2 * HOUR)
    assert open_page[-1].server.idle_since == START
    typed = run(lambda at: Sample(at, person_at=START + HOUR if at >= START + HOUR else None), 2 * HOUR)
    assert (typed[-1].server.idle_since, typed[-1].server.because) == (START + HOUR, "somebody worked in JupyterLab")


def test_work_that_ended_with_its_kernel_is_remembered() -> None:
    judged = run(lambda at: Sample(at, kernels=(kernel(at, "busy"),) if at < START + HOUR else ()), 2 * HOUR)
    assert judged[-1].server.idle_since == START + HOUR - STEP


def test_reading_a_kernels_variables_is_none_of_its_work() -> None:
    def saved_late(at: float) -> Sample:
        reading = kernel(at, "busy" if at >= START + HOUR else "idle", cores=0.0)
        saving = KernelReading("k1", "train.ipynb", reading.execution_state, START, START, reading.group, True)
        return Sample(at, kernels=(saving if at >= START + HOUR else reading,))

    assert run(saved_late, HOUR + 60)[-1].server.idle_since == START


def test_a_kernel_that_never_comes_up_is_waited_for_five_minutes() -> None:
    judged = run(lambda at: Sample(at, kernels=(kernel(at, "starting"),)), HOUR)
    assert judged[59].server.idle_since is None
    assert judged[-1].server.idle_since is not None


def test_a_short_burst_is_not_taken_for_work_before_it_lasts() -> None:
    log = ActivityLog(START)
    first = log.observe(Sample(START, background=GroupReading(cpu_seconds=0)))
    second = log.observe(Sample(START + 5, background=GroupReading(cpu_seconds=5)))
    assert (first.server.idle_since, second.server.idle_since) == (START, START)


STATES = st.sampled_from(["idle", "busy", "starting", "restarting", "dead", "unknown"])
KERNELS = st.lists(
    st.builds(
        KernelReading,
        id=st.sampled_from("abc"),
        title=st.just("n.ipynb"),
        execution_state=STATES,
        active_at=st.floats(START - 100, START + 5000),
        started_at=st.floats(START - 100, START),
        group=st.none() | st.builds(GroupReading, st.floats(0, 1e6), st.integers(0, 1 << 40)),
    ),
    max_size=3,
    unique_by=lambda reading: reading.id,
)
TERMINALS = st.lists(
    st.builds(
        TerminalReading,
        name=st.just("1"),
        output_at=st.floats(START - 100, START + 5000),
        foreground=st.sampled_from([None, "top", "python"]),
        group=st.builds(GroupReading, st.floats(0, 1e6), st.integers(0, 1 << 40)),
    ),
    max_size=1,
)


@given(st.lists(st.tuples(st.floats(0.1, 400), KERNELS, TERMINALS, st.none() | st.floats(0, 1e4)), max_size=30))
def test_whatever_is_seen_busy_is_in_use_and_idleness_is_never_in_the_future(
    turns: list[tuple[float, list[KernelReading], list[TerminalReading], float | None]],
) -> None:
    log, at = ActivityLog(START), START
    idle_before: float | None = None
    for step, kernels, terminals, person in turns:
        at += step
        sample = Sample(
            at,
            tuple(kernels),
            tuple(terminals),
            person_at=None if person is None else START + person,
        )
        judgement = log.observe(sample)
        works = any(reading.execution_state == "busy" for reading in kernels)
        works = works or any(terminal.foreground == "python" for terminal in terminals)
        server: Use = judgement.server
        if works:
            assert server.idle_since is None
        if server.idle_since is None:
            assert server.since <= at
            idle_before = None
        else:
            assert server.idle_since <= at
            # it only ever moves forward
            assert idle_before is None or server.idle_since >= idle_before
            idle_before = server.idle_since
        assert len(judgement.kernels) == len(kernels)


def test_each_level_of_a_quota_is_told_once() -> None:
    watch = QuotaWatch()
    told = [watch.check(part) for part in (0.5, 0.81, 0.82, 0.79, 0.81, 0.91, 0.96, 0.97, 0.96)]
    assert told == [None, 0.8, None, None, None, 0.9, 0.95, None, None]


def test_a_quota_is_told_again_after_room_was_made() -> None:
    watch = QuotaWatch()
    assert [watch.check(part) for part in (0.96, 0.5, 0.85, None, 0.85)] == [0.95, None, 0.8, None, None]
