"""One Optuna study, kept in a journal that optuna-dashboard and `optuna.load_study` open as well.

A trial is asked for, and told, by number; asking and telling may be repeated after a crash at any line. What was
suggested and never taken up is suggested again; a trial that was only half suggested is told as failed, and no one
hears of it.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import pickle
import warnings
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from orrery.domain.search_space import Dimension, grid, in_order, is_active
from orrery.errors import Invalid
from orrery.tuning.definition import JOURNAL, Definition, EarlierRun, Suggestion

log = logging.getLogger(__name__)

_SAMPLER: Final = "sampler.pickle"
#: noted on a trial when all of it has been suggested
_WHOLE: Final = "orrery:suggested"
#: the name of the earlier run that a trial was copied from
EARLIER: Final = "orrery:earlier"

#: what Optuna imports only when a sampler is used
_NEEDED: Final = {"gp": ("scipy", "torch"), "cma-es": ("cmaes",), "qmc": ("scipy",)}


class Study:
    """Not thread-safe; one process at a time may write to a study's folder."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.space = {name: Dimension.model_validate(dimension) for name, dimension in definition.space.items()}
        self._order = in_order(self.space)
        self._folder = Path(definition.folder)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        journal = self._folder / JOURNAL
        mend(journal)
        self._storage = JournalStorage(JournalFileBackend(str(journal)))
        is_new = not journal.stat().st_size
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=definition.id,
            directions=list(definition.directions),
            sampler=_make_sampler(definition, None),
            pruner=_make_pruner(definition),
            load_if_exists=True,
        )
        if not is_new:
            self._study.sampler = self._load_sampler()

    def begin(self, earlier: Sequence[EarlierRun]) -> int:
        """Add earlier runs, as far as they lie in the space and are not there yet; returns how many are there."""
        there = {trial.user_attrs.get(EARLIER) for trial in self._study.get_trials(deepcopy=False)}
        distributions = {name: _distribution(dimension) for name, dimension in self.space.items()}
        for run in earlier:
            active: dict[str, Any] = {}
            for name in self._order:
                if name in run.parameters and is_active(self.space[name], active):
                    active[name] = run.parameters[name]
            fits = all(_contains(distributions[name], value) for name, value in active.items())
            if run.name in there or not active or not fits:
                continue
            there.add(run.name)
            self._study.add_trial(
                create_trial(
                    params=active,
                    distributions={name: distributions[name] for name in active},
                    values=list(run.values),
                    user_attrs={EARLIER: run.name},
                )
            )
        known = len(there - {None})
        if known and len(self._study.get_trials(deepcopy=False)) == known:
            # nothing is suggested yet; else an earlier study of the same seed would be suggested once more
            self._study.sampler = _make_sampler(self.definition, known)
        return known

    # asking

    def ask(self, count: int, known: Collection[int]) -> tuple[list[Suggestion], bool]:
        """Up to `count` suggestions, and whether there are no more. `known` are the numbers that were taken up."""
        suggestions: list[Suggestion] = []
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.number in known:
                continue
            if _WHOLE not in trial.user_attrs:
                self._study.tell(trial.number, state=TrialState.FAIL)
            elif len(suggestions) < count:
                suggestions.append(Suggestion(trial.number, trial.params))
        while len(suggestions) < count:
            if self.definition.sampler == "grid" and not self._enqueue_next():
                return suggestions, True
            suggestions.append(self._suggest())
        return suggestions, False

    def _suggest(self) -> Suggestion:
        trial = self._study.ask()
        chosen: dict[str, Any] = {}
        for name in self._order:
            dimension = self.space[name]
            if is_active(dimension, chosen):
                chosen[name] = _suggest(trial, name, dimension)
        trial.set_user_attr(_WHOLE, True)
        self._save_sampler()
        return Suggestion(trial.number, chosen)

    def _enqueue_next(self) -> bool:
        """The next combination of a grid becomes what is asked for next. False: all have been."""
        trials = self._study.get_trials(deepcopy=False)
        if any(trial.state is TrialState.WAITING for trial in trials):
            return True
        asked = sum(_WHOLE in trial.user_attrs for trial in trials)
        combination = next(islice(grid(self.space), asked, None), None)
        if combination is None:
            return False
        self._study.enqueue_trial(combination)
        return True

    # telling

    def tell(self, number: int, values: Sequence[float] | None, *, is_stopped_early: bool = False) -> None:
        """What came of a trial; without values it failed. Telling it again changes nothing."""
        if values is not None:
            self._study.tell(number, list(values), skip_if_finished=True)
        else:
            state = TrialState.PRUNED if is_stopped_early else TrialState.FAIL
            self._study.tell(number, state=state, skip_if_finished=True)

    def report(self, number: int, points: Sequence[tuple[int, float]]) -> bool:
        """Note values by step; whether the trial should be stopped. Steps that are there already are passed over."""
        trial = self._frozen(number)
        if trial.state.is_finished():
            return False
        study_id = self._storage.get_study_id_from_name(self.definition.id)
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, number)
        should_stop = False
        for step, value in points:
            if step in trial.intermediate_values:
                continue
            self._storage.set_trial_intermediate_value(trial_id, step, value)
            trial = self._frozen(number)
            should_stop = should_stop or self._should_stop(trial, step)
        return should_stop

    def _should_stop(self, trial: FrozenTrial, step: int) -> bool:
        if step < self.definition.start_step:
            return False
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        if len(self._study.get_trials(deepcopy=False, states=states)) < self.definition.min_trials:
            return False
        # it may be NumPy's own
        return bool(self._study.pruner.prune(self._study, trial))

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]

    # looking at it

    def importances(self) -> list[dict[str, float]]:
        """How much of each objective's variance each parameter explains, adding up to 1; empty: too little is known.

        By fANOVA where scikit-learn is installed, else by PED-ANOVA.
        """
        return [self._importances(index) for index in range(len(self.definition.directions))]

    def _importances(self, index: int) -> dict[str, float]:
        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(complete) < 4 or len({cast("list[float]", trial.values)[index] for trial in complete}) < 2:
            return {}
        try:
            found = optuna.importance.get_param_importances(
                self._study,
                evaluator=_make_evaluator(),
                target=lambda trial: cast("list[float]", trial.values)[index],
            )
        except (ValueError, RuntimeError) as error:
            # Optuna raises these where the trials have no parameter in common, or it does not vary
            log.info("no importances of %s: %s", self.definition.id, error)
            return {}
        return {name: float(value) for name, value in found.items()}

    # what it remembers

    def _save_sampler(self) -> None:
        """The sampler with its random state, so that a restart goes on where this process stood."""
        count = len(self._study.get_trials(deepcopy=False))
        path = self._folder / _SAMPLER
        fresh = path.with_suffix(".new")
        fresh.write_bytes(pickle.dumps((count, self._study.sampler)))
        fresh.replace(path)

    def _load_sampler(self) -> BaseSampler:
        """The sampler as it was; one with a fresh random state where the last suggestion was cut off."""
        count = len(self._study.get_trials(deepcopy=False))
        try:
            saved, sampler = pickle.loads((self._folder / _SAMPLER).read_bytes())
            if saved == count:
                return sampler
        except (OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError) as error:
            log.info("the sampler of %s begins anew: %s", self.definition.id, error)
        return _make_sampler(self.definition, count)


def mend(journal: Path) -> None:
    """Cut off a last line that a crash left half-written, and take away the lock of a process that is gone."""
    Path(f"{journal}.lock").unlink(missing_ok=True)
    if not journal.exists():
        journal.touch(mode=0o600)
        return
    with journal.open("rb+") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            begin = max(0, end - 65536)
            file.seek(begin)
            newline = file.read(end - begin).rfind(b"\n")
            if newline >= 0:
                end = begin + newline + 1
                break
            end = begin
        if end < size:
            file.truncate(end)


def _make_sampler(definition: Definition, restarted_at: int | None) -> BaseSampler:
    for needed in _NEEDED.get(definition.sampler, ()):
        if importlib.util.find_spec(needed) is None:
            raise Invalid(
                f"sampler {definition.sampler} needs the package {needed}, which the platform does not have; "
                f"install it, or choose tpe"
            )
    seed = definition.seed
    if seed is not None and restarted_at:
        seed = (seed + restarted_at) % 2**32
    samplers = optuna.samplers
    match definition.sampler:
        case "random" | "grid":
            return samplers.RandomSampler(seed=seed)
        case "cma-es":
            return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
        case "gp":
            return samplers.GPSampler(seed=seed)
        case "qmc":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return samplers.QMCSampler(
                    seed=seed, scramble=True, warn_independent_sampling=False, warn_asynchronous_seeding=False
                )
        case "nsga2":
            return samplers.NSGAIISampler(seed=seed)
        case "tpe":
            return samplers.TPESampler(seed=seed)
        case unknown:
            raise Invalid(f"sampler {unknown!r} is not known")


def _make_pruner(definition: Definition) -> BasePruner:
    match definition.early_stop:
        case "median":
            return MedianPruner(n_startup_trials=definition.min_trials, n_warmup_steps=definition.start_step)
        case "asha":
            return SuccessiveHalvingPruner(min_resource=max(1, definition.start_step))
        case "hyperband":
            return HyperbandPruner(min_resource=max(1, definition.start_step))
        case _:
            return NopPruner()


def _make_evaluator() -> Any:
    if importlib.util.find_spec("sklearn") is None:
        return optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.FanovaImportanceEvaluator(seed=0)


def _suggest(trial: optuna.Trial, name: str, dimension: Dimension) -> Any:
    if dimension.values is not None:
        return trial.suggest_categorical(name, dimension.values)
    low, high = dimension.low, dimension.high
    assert low is not None and high is not None
    if dimension.type == "int":
        step = int(dimension.step or 1)
        return trial.suggest_int(name, int(low), int(high), step=step, log=dimension.log)
    return trial.suggest_float(name, low, high, step=dimension.step, log=dimension.log)


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.values is not None:
        return CategoricalDistribution(dimension.values)
    low, high = dimension.low, dimension.high
    assert low is not None and high is not None
    if dimension.type == "int":
        return IntDistribution(int(low), int(high), log=dimension.log, step=int(dimension.step or 1))
    return FloatDistribution(low, high, log=dimension.log, step=dimension.step)


def _contains(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and distribution._contains(value)  # pyright: ignore[reportPrivateUsage]
