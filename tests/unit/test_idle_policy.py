"""What is decided of an idle notebook, on a simulated clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orrery.domain.idle import SERVER, Decision, IdleKernel, IdleLimits, Warned, decide

LIMITS = IdleLimits(server_seconds=7200, kernel_seconds=3600, warning_seconds=600)
GPU = IdleKernel("k1", "train.ipynb", 0.0, holds_gpu=True)


def live(
    limits: IdleLimits,
    until: float,
    *,
    idle_since: float | None = 0.0,
    kernels: tuple[IdleKernel, ...] = (),
    kept: tuple[float, float] | None = None,
) -> list[tuple[float, Decision]]:
    """A decision every ten seconds; `kept`: (pressed at, kept until)."""
    warned: dict[str, Warned] = {}
    decided: list[tuple[float, Decision]] = []
    for now in range(0, int(until) + 1, 10):
        kept_until = kept[1] if kept and now >= kept[0] else None
        found = decide(now, limits, idle_since, kernels, warned=warned, kept_until=kept_until)
        warned = dict(found.warned)
        decided.append((now, found))
    return decided


def test_it_is_said_first_then_the_gpu_is_freed_and_the_server_stops_last() -> None:
    decided = live(LIMITS, 7300, kernels=(GPU,))
    assert next(now for now, found in decided if found.warnings) == 3000
    assert next(now for now, found in decided if found.free) == 3600
    assert next(now for now, found in decided if any(w.subject == SERVER for w in found.warnings)) == 6600
    assert next(now for now, found in decided if found.stop) == 7200


def test_a_kernel_without_a_gpu_is_left_until_the_server_stops_unless_it_holds_much_memory() -> None:
    small = IdleKernel("k1", "a.ipynb", 0.0, memory_bytes=1 << 30)
    large = IdleKernel("k2", "b.ipynb", 0.0, memory_bytes=4 << 30)
    decided = live(LIMITS, 4000, kernels=(small, large))
    assert {kernel for _, found in decided for kernel in found.free} == {"k2"}


def test_keeping_it_for_an_hour_puts_everything_off_and_warns_again() -> None:
    decided = live(LIMITS, 12000, kept=(7000, 10600))
    assert not any(found.warnings for now, found in decided if 7000 <= now < 10000)
    assert next(now for now, found in decided if now >= 7000 and found.warnings) == 10000
    assert next(now for now, found in decided if found.stop) == 10600


def test_after_a_long_silence_it_is_still_said_first() -> None:
    """The machine slept, or the platform was away: the warning lasts its time all the same."""
    first = decide(90000, LIMITS, 0.0, (), warned={}, kept_until=None)
    assert (first.stop, [warning.act_at for warning in first.warnings]) == (False, [90600])
    later = decide(90600, LIMITS, 0.0, (), warned=first.warned, kept_until=None)
    assert later.stop


def test_use_in_between_begins_the_warning_anew() -> None:
    first = decide(7000, LIMITS, 0.0, (), warned={}, kept_until=None)
    used = decide(7100, LIMITS, None, (), warned=first.warned, kept_until=None)
    assert used == Decision()
    assert decide(14400, LIMITS, 7100.0, (), warned=first.warned, kept_until=None).stop is False


def test_a_limit_shorter_than_its_warning_is_half_warning() -> None:
    decided = live(IdleLimits(server_seconds=100), 120)
    assert next(now for now, found in decided if found.warnings) == 50
    assert next(now for now, found in decided if found.stop) == 100


def test_without_limits_nothing_happens() -> None:
    assert decide(1e9, IdleLimits(), 0.0, (GPU,), warned={}, kept_until=None) == Decision()


def test_a_notebooks_own_limit_shortens_and_lengthens_within_what_is_allowed() -> None:
    assert LIMITS.for_notebook(None, None).server_seconds == 7200
    assert LIMITS.for_notebook(60, None).server_seconds == 60
    assert LIMITS.for_notebook(90000, None).server_seconds == 7200
    assert LIMITS.for_notebook(90000, 14400).server_seconds == 14400
    assert IdleLimits().for_notebook(90000, None).server_seconds == 90000


@given(
    st.lists(st.tuples(st.floats(1, 4000), st.booleans(), st.booleans()), min_size=1, max_size=40),
    st.floats(10, 20000),
    st.floats(1, 2000),
)
def test_nothing_that_works_is_stopped_and_nothing_is_stopped_unsaid(
    turns: list[tuple[float, bool, bool]], limit: float, warning: float
) -> None:
    limits = IdleLimits(server_seconds=limit, kernel_seconds=limit / 2, warning_seconds=warning)
    now, warned, kept_until = 0.0, dict[str, Warned](), None
    idle_since: float | None = 0.0
    said: float | None = None
    for step, works, keeps in turns:
        now += step
        idle_since = None if works else (now if idle_since is None else idle_since)
        if works:
            said = None
        if keeps:
            kept_until = now + 3600
        kernel = IdleKernel("k", "n.ipynb", idle_since, holds_gpu=True)
        found = decide(now, limits, idle_since, (kernel,), warned=warned, kept_until=kept_until)
        warned = dict(found.warned)
        if works:
            assert found == Decision()
        if found.stop or found.free:
            assert idle_since is not None
            assert kept_until is None or now >= kept_until
        if found.stop:
            assert idle_since is not None
            assert now - idle_since >= limit
            assert said is not None
            assert now - said >= min(warning, limit / 2)
        if said is None and any(warning.subject == SERVER for warning in found.warnings):
            said = now
