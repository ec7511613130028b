"""Studies: what a crash at any line leaves behind is made good, and nothing is suggested twice."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalStorage

from orrery.errors import Invalid
from orrery.tuning.definition import Definition, EarlierRun
from orrery.tuning.studies import Studies
from orrery.tuning.study import Study, mend

SPACE = {
    "x": {"type": "float", "low": -5.0, "high": 5.0},
    "n": {"type": "int", "low": 1, "high": 8},
}


@pytest.fixture
def studies(tmp_path: Path) -> Iterator[Studies]:
    made = Studies(tmp_path, idle_seconds=30)
    yield made
    made.close()


def define(folder: Path, **changes: Any) -> Definition:
    fields: dict[str, Any] = {"space": SPACE, "directions": ["minimize"], "seed": 1, **changes}
    return Definition(id="study", folder=str(folder / "study"), **fields)


def height(parameters: Any) -> float:
    return (parameters["x"] - 2) ** 2 + parameters["n"]


def test_what_was_never_taken_up_is_suggested_again(tmp_path: Path) -> None:
    first, is_over = Study(define(tmp_path)).ask(3, known=[])
    assert [suggestion.number for suggestion in first] == [0, 1, 2]
    assert not is_over
    again = Study(define(tmp_path))
    # of an answer that was lost, all but the first
    assert again.ask(2, known=[0])[0] == first[1:]
    fresh, _ = again.ask(1, known=[0, 1, 2])
    assert fresh[0].number == 3
    assert fresh[0].parameters not in [suggestion.parameters for suggestion in first]


def test_what_was_only_half_suggested_is_dropped(tmp_path: Path) -> None:
    study = Study(define(tmp_path))
    study.ask(1, known=[])
    study._study.ask().suggest_float("x", -5, 5)  # pyright: ignore[reportPrivateUsage]
    suggestions, _ = Study(define(tmp_path)).ask(2, known=[0])
    assert [suggestion.number for suggestion in suggestions] == [2, 3]


def test_a_restart_suggests_what_would_have_come_anyway(tmp_path: Path) -> None:
    def walk(folder: Path, restarts: bool) -> list[Any]:
        study, found = Study(define(folder)), list[Any]()
        for number in range(25):
            [suggestion], _ = study.ask(1, known=[])
            study.tell(number, [height(suggestion.parameters)])
            found.append(dict(suggestion.parameters))
            if restarts and number % 3 == 0:
                study = Study(define(folder))
        return found

    assert walk(tmp_path / "whole", restarts=False) == walk(tmp_path / "torn", restarts=True)


def test_a_random_state_that_was_lost_does_not_repeat_itself(tmp_path: Path) -> None:
    definition = define(tmp_path, sampler="random")
    first, _ = Study(definition).ask(5, known=[])
    (tmp_path / "study" / "sampler.pickle").unlink()
    second, _ = Study(definition).ask(5, known=range(5))
    assert not {str(s.parameters) for s in first} & {str(s.parameters) for s in second}


def test_telling_twice_changes_nothing_and_a_failure_is_none_of_the_best(tmp_path: Path) -> None:
    study = Study(define(tmp_path))
    study.ask(3, known=[])
    study.tell(0, [5.0])
    study.tell(0, [1.0])
    study.tell(1, None)
    study.tell(2, None, is_stopped_early=True)
    trials = Study(define(tmp_path))._study.trials  # pyright: ignore[reportPrivateUsage]
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "PRUNED"]
    assert trials[0].values == [5.0]


def test_a_torn_last_line_and_a_dead_lock_are_mended(tmp_path: Path) -> None:
    Study(define(tmp_path)).ask(2, known=[])
    journal = tmp_path / "study" / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "worker')
    Path(f"{journal}.lock").symlink_to(journal)
    suggestions, _ = Study(define(tmp_path)).ask(1, known=[0, 1])
    assert suggestions[0].number == 2
    assert journal.read_bytes().startswith(whole)
    # nothing but a torn line
    journal.write_bytes(b"{" * 200_000)
    mend(journal)
    assert journal.read_bytes() == b""


@pytest.mark.parametrize("sampler", ["tpe", "random", "cma-es", "gp", "qmc", "nsga2", "grid"])
def test_each_sampler_searches(tmp_path: Path, sampler: str) -> None:
    space = {name: {**dimension, "step": 1} for name, dimension in SPACE.items()} if sampler == "grid" else SPACE
    definition = define(tmp_path, sampler=sampler, space=space)
    if sampler == "gp" and importlib.util.find_spec("torch") is None:
        with pytest.raises(Invalid, match="needs the package torch"):
            Study(definition)
        return
    study = Study(definition)
    best = 100.0
    for _ in range(15):
        [suggestion], _ = study.ask(1, known=[])
        assert set(suggestion.parameters) == {"x", "n"}
        best = min(best, height(suggestion.parameters))
        study.tell(suggestion.number, [height(suggestion.parameters)])
    assert study._study.best_value == best  # pyright: ignore[reportPrivateUsage]


def test_a_grid_goes_on_after_a_restart_and_ends(tmp_path: Path) -> None:
    definition = define(tmp_path, sampler="grid", space={"n": {"type": "int", "low": 1, "high": 5}})
    tried = [s.parameters["n"] for s in Study(definition).ask(3, known=[])[0]]
    rest, is_over = Study(definition).ask(9, known=[0, 1, 2])
    assert tried + [s.parameters["n"] for s in rest] == [1, 2, 3, 4, 5]
    assert is_over


@pytest.mark.parametrize("early_stop", ["median", "asha", "hyperband"])
def test_who_does_badly_is_stopped_not_before_its_step(tmp_path: Path, early_stop: str) -> None:
    study = Study(define(tmp_path, directions=["maximize"], early_stop=early_stop, min_trials=4, start_step=2))
    for number in range(8):
        study.ask(1, known=[])
        assert not study.report(number, [(step, 10.0 + step) for step in range(1, 10)])
        study.tell(number, [20.0])
    stopped: list[int] = []
    # hyperband gives each trial to one of several brackets, some of which let it run
    for number in range(8, 16):
        study.ask(1, known=range(number))
        assert not study.report(number, [(1, -100.0)]), "before the first step that counts"
        if study.report(number, [(step, -100.0) for step in range(1, 10)]):
            stopped.append(number)
            study.tell(number, None, is_stopped_early=True)
            assert not study.report(number, [(10, -100.0)]), "it has ended"
    assert stopped if early_stop == "hyperband" else stopped == list(range(8, 16))


def test_nobody_is_stopped_before_so_many_have_ended(tmp_path: Path) -> None:
    study = Study(define(tmp_path, directions=["maximize"], early_stop="median", min_trials=4))
    for number in range(3):
        study.ask(1, known=[])
        study.report(number, [(1, 10.0)])
        study.tell(number, [20.0])
    study.ask(1, known=[])
    assert not study.report(3, [(1, -100.0)])


def test_earlier_runs_are_known_once_as_far_as_they_lie_in_the_space(tmp_path: Path) -> None:
    earlier = [
        EarlierRun("inside", {"x": 1, "n": 3, "other": "y"}, [4.0]),
        EarlierRun("outside", {"x": 99.0, "n": 3}, [1.0]),
        EarlierRun("strange", {"other": "y"}, [1.0]),
    ]
    assert Study(define(tmp_path)).begin(earlier) == 1
    again = Study(define(tmp_path))
    assert again.begin(earlier) == 1
    assert again.ask(1, known=[])[0][0].number == 1


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
def test_a_study_that_begins_from_another_of_the_same_seed_does_not_repeat_it(tmp_path: Path, sampler: str) -> None:
    first = Study(define(tmp_path / "first", sampler=sampler))
    seen: list[dict[str, Any]] = []
    for number in range(3):
        [suggestion], _ = first.ask(1, known=[])
        first.tell(number, [float(number)])
        seen.append(dict(suggestion.parameters))
    earlier = [EarlierRun(f"run-{number}", parameters, [float(number)]) for number, parameters in enumerate(seen)]

    def go_on(folder: Path) -> list[dict[str, Any]]:
        study = Study(define(folder, sampler=sampler))
        assert study.begin(earlier) == 3
        found: list[dict[str, Any]] = []
        for number in range(3, 6):
            [suggestion], _ = study.ask(1, known=[])
            study.tell(number, [float(number)])
            found.append(dict(suggestion.parameters))
        return found

    second = go_on(tmp_path / "second")
    assert not [parameters for parameters in second if parameters in seen]
    # and the same once more suggests the same
    assert go_on(tmp_path / "third") == second


def test_importances_add_up_and_are_none_where_nothing_is_known(tmp_path: Path) -> None:
    study = Study(define(tmp_path, directions=["minimize", "maximize"]))
    assert study.importances() == [{}, {}]
    for number in range(20):
        [suggestion], _ = study.ask(1, known=[])
        study.tell(number, [suggestion.parameters["x"] ** 2, 1.0])
    shares, none = study.importances()
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["x"] > shares["n"]
    assert none == {}, "a metric that never varies has no causes"


def test_the_process_is_started_again_after_a_kill_and_tells_what_it_refuses(tmp_path: Path, studies: Studies) -> None:
    definition = define(tmp_path)
    studies.begin(definition, [])
    first, _ = studies.suggest(definition, 2, [])
    process = studies._process  # pyright: ignore[reportPrivateUsage]
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    assert studies.suggest(definition, 2, [])[0] == first, "the answer that nobody took up"
    studies.tell(definition, 0, [1.0])
    with pytest.raises(Invalid, match="sampler 'astrology'"):
        studies.begin(define(tmp_path / "other", sampler="astrology"), [])
    studies.forget("study")
    assert not studies.journal("study").exists()


def test_optuna_opens_what_is_kept(tmp_path: Path) -> None:
    study = Study(define(tmp_path))
    study.ask(1, known=[])
    study.tell(0, [3.0])
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study" / "journal.log")))
    found = optuna.load_study(study_name="study", storage=storage)
    assert found.best_value == 3.0
