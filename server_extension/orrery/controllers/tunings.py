"""Tunings: asks the search for hyperparameters, trains with them, tells it what came of that.

A trial is an ordinary training. The search (`orrery.tuning`) knows what was suggested, the table of trials what was
taken up, the trainings how they stand; a turn that is cut off anywhere is made good by the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pydantic import BaseModel

from orrery.controllers.contract import Controller, Draft, NewResource, Outcome, Platform
from orrery.controllers.earlier_runs import check_earlier, earlier_runs, value_of, why_without
from orrery.controllers.lost_trials import failure_of, may_run_again, run_again
from orrery.controllers.search_spaces import check_grid, check_search, example, fit_space
from orrery.controllers.trainings import TrainingController
from orrery.domain.access import User
from orrery.domain.algorithms import check_is_ready, check_metric
from orrery.domain.records import Json, Record
from orrery.domain.trainings import TRAINING, RegisterModelBody, RunSpec, TrainingSpec
from orrery.domain.tunings import TUNING, Detail, RegisterTrialBody, TrialStatus, TuningSpec
from orrery.errors import Invalid, NameTaken, OrreryError
from orrery.store.trials import Trial, TrialStore, front
from orrery.tuning.definition import Definition, Suggestion
from orrery.tuning.studies import Studies

#: trainings wake their tuning when they begin and when they end; between that it looks for those that were deleted, say
LOOK_SECONDS: Final = 15.0
#: where trainings are stopped early, their metrics are looked at so often
WATCH_SECONDS: Final = 1.0
#: of several objectives, how many of the best trials are shown
MAX_FRONT: Final = 100
#: a name has room for its number behind it
_NAME_LENGTH: Final = 48


@dataclass(frozen=True)
class Ending:
    """How a search ends: the machine's event, a word for programs and a sentence for people."""

    event: str
    reason: str
    message: str


class TuningController(Controller):
    kind = TUNING

    def __init__(self, platform: Platform, trainings: TrainingController, trials: TrialStore, studies: Studies) -> None:
        super().__init__(platform)
        self.trainings = trainings
        self.trials = trials
        self.studies = studies

    # before it is accepted

    def offer(self, schema: Json) -> Json:
        return self.trainings.offer(schema)

    def complete(self, spec: Json) -> Json:
        return self.trainings.complete(spec)

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, TuningSpec)
        algorithm = draft.references["algorithm"]
        check_is_ready(algorithm)
        space = fit_space(spec.space, algorithm.spec["parameters_schema"])
        if spec.sampler == "grid":
            check_grid(space)
        if draft.before is None:
            check_search(spec, space)
            check_earlier(self.platform.metrics, draft.references, spec)
        for number, objective in enumerate(spec.objectives):
            check_metric(algorithm, objective.metric, path=f"spec.objectives.{number}.metric")
        shared = {name: getattr(spec, name) for name in RunSpec.model_fields}
        parameters = {**spec.parameters, **example(space)}
        trial = TrainingSpec.model_validate({**shared, "parameters": parameters})
        checked = self.trainings.admit(replace(draft, spec=trial))["parameters"]
        return {
            **spec.model_dump(mode="json"),
            "space": {name: dimension.model_dump(mode="json") for name, dimension in space.items()},
            "parameters": {name: value for name, value in checked.items() if name in spec.parameters},
        }

    # moving it

    def prepare(self, action: str, record: Record, body: BaseModel | None) -> Json:
        counts = self.trials.count(record.id)
        if action == "retry":
            # failures so far are forgiven, else it would end at once
            return {"forgiven": _failures(counts), "ending": None, "done_before": _done(counts)}
        if action != "start":
            return {}
        ending = self._ending(record, counts, is_over=record.reason == Detail.SUGGESTION_END_REACHED)
        if ending is not None and record.phase == "COMPLETE":
            raise Invalid(f"{record.label} would end at once: {ending.message}; change its spec first, or copy it")
        return {"ending": None, "done_before": _done(counts)}

    def reconcile(self, record: Record) -> Outcome:
        match record.phase:
            case "CREATE_REQUESTED":
                return Outcome(event="accepted")
            case "CREATE_IN_PROGRESS":
                return self._begin(record)
            case "RUNNING":
                return self._search(record)
            case "STOP_IN_PROGRESS" | "COMPLETE_IN_PROGRESS" | "FAIL_HYPERPARAMETER_TUNING_IN_PROGRESS":
                return self._wind_up(record)
            case _:
                return Outcome()

    def _begin(self, record: Record) -> Outcome:
        spec = TuningSpec.model_validate(record.spec)
        runs = earlier_runs(self.platform.store, self.platform.metrics, self.trials, spec)
        try:
            known = self.studies.begin(self.definition(record), runs)
        except Invalid as error:
            return Outcome(event="refused", reason=error.code, message=error.message)
        left_out = len(runs) - known
        outside = f"{left_out} of {len(runs)} earlier runs lie outside of the space: the search does not know them"
        return Outcome(
            event="started",
            message=outside if left_out > 0 else None,
            outputs={**self._shown(record), "earlier": known},
        )

    def _search(self, record: Record) -> Outcome:
        study = self.definition(record)
        running = self._follow(record, study)
        counts = self.trials.count(record.id)
        ending = self._ending(record, counts, is_over=False)
        if ending is None:
            spec = TuningSpec.model_validate(record.spec)
            room = min(spec.parallel - len(running), spec.max_trials - sum(counts.values()))
            is_over = False
            if room > 0:
                suggestions, is_over = self.studies.suggest(study, room, [trial.number for trial in running])
                try:
                    for suggestion in suggestions:
                        self._start(record, suggestion)
                except Invalid as error:
                    ending = Ending("broke", error.code, f"no training can be started: {error.message}")
                if is_over and not running and not suggestions:
                    ending = self._ending(record, counts, is_over=True)
        if ending is not None:
            note = {"reason": ending.reason, "message": ending.message}
            return Outcome(event=ending.event, message=ending.message, internal={"ending": note})
        watches = record.spec["early_stop"] != "none"
        return Outcome(
            outputs=self._shown(record),
            progress=self._progress(record),
            again_in_seconds=WATCH_SECONDS if watches else LOOK_SECONDS,
        )

    def _ending(self, record: Record, counts: dict[TrialStatus, int], *, is_over: bool) -> Ending | None:
        """Whether the search is to end now. `is_over`: there is nothing more to suggest."""
        spec = TuningSpec.model_validate(record.spec)
        failed = _failures(counts) - int(record.internal.get("forgiven", 0))
        if failed > spec.max_failed:
            why = self._last_failure(record)
            return Ending(
                "broke", "too_many_failures", f"{failed} trainings failed (max_failed is {spec.max_failed}){why}"
            )
        first = spec.objectives[0]
        best = self.trials.best(record.id, maximize=first.goal == "maximize")
        if spec.goal_value is not None and best is not None and best.targets is not None:
            value = best.targets[0]
            if value >= spec.goal_value if first.goal == "maximize" else value <= spec.goal_value:
                message = f"trial {best.number} reached {first.metric} {value:g} (goal {spec.goal_value:g})"
                return Ending("finished", Detail.GOAL_REACHED.value, message)
        if any(counts.get(status) for status in TrialStatus if status.is_open):
            return None
        total = sum(counts.values())
        if best is None and (is_over or total >= spec.max_trials):
            why = self._last_failure(record)
            return Ending(
                "broke", "no_value", f"none of its {total} trainings told a finite value of {first.metric}{why}"
            )
        if total >= spec.max_trials:
            return Ending("finished", Detail.MAX_TRIALS_REACHED.value, f"{total} of {spec.max_trials} trials are done")
        if is_over:
            message = f"all {total} combinations of the space have been tried"
            return Ending("finished", Detail.SUGGESTION_END_REACHED.value, message)
        return None

    def _last_failure(self, record: Record) -> str:
        failed = self.trials.last_failed(record.id)
        training = self.platform.store.find(failed.training_id) if failed is not None else None
        if failed is None or training is None:
            return ""
        if failed.status is TrialStatus.METRICS_UNAVAILABLE:
            metrics = [objective["metric"] for objective in record.spec["objectives"]]
            return f"; {training.name} {why_without(self.platform.metrics, training, metrics)}"
        return f"; {training.name}: {failure_of(training)}"

    def _wind_up(self, record: Record) -> Outcome:
        """Stop what still runs, and see it end."""
        study = self.definition(record)
        running = self._follow(record, study)
        trainings = self.platform.store.find_many(trial.training_id for trial in running)
        for training in trainings.values():
            self._stop(training, early=False)
        outputs, progress = self._shown(record), self._progress(record)
        if running:
            return Outcome(outputs=outputs, progress=progress, again_in_seconds=WATCH_SECONDS)
        ending: Json = record.internal.get("ending") or {"reason": "", "message": ""}
        message = "stopped" if record.phase == "STOP_IN_PROGRESS" else ending["message"]
        return Outcome(event="wound_up", reason=ending["reason"], message=message, outputs=outputs, progress=progress)

    # its trials

    def definition(self, record: Record) -> Definition:
        """The study as the search process is told of it."""
        spec = record.spec
        return Definition(
            id=record.id,
            folder=str(self.studies.folder(record.id).absolute()),
            space=spec["space"],
            directions=[objective["goal"] for objective in spec["objectives"]],
            sampler=spec["sampler"],
            seed=spec["seed"],
            early_stop=spec["early_stop"],
            min_trials=spec["min_trials"],
            start_step=spec["start_step"],
        )

    def _start(self, record: Record, suggestion: Suggestion) -> None:
        shared = {name: record.spec[name] for name in RunSpec.model_fields if name in record.spec}
        spec: Json = {
            **shared,
            "parameters": {**record.spec["parameters"], **suggestion.parameters},
            "register_model": False,
            "trial": {"tuning": record.id, "number": suggestion.number},
        }
        training = self._train(record, spec, suggestion.number)
        now = self.platform.store.clock()
        self.trials.add(
            Trial(record.id, suggestion.number, training.id, TrialStatus.CREATED, dict(suggestion.parameters), now)
        )

    def _train(self, record: Record, spec: Json, number: int) -> Record:
        """The trial's training: that of an earlier turn that was cut off, else a new one under a name that is free."""
        key = f"trial:{record.id}:{number}"
        made = self.platform.store.made_with(record.owner, key)
        if made is not None:
            # under whichever name: it may have been taken then, and the tuning renamed since
            return made
        name = f"{record.name[:_NAME_LENGTH]}-{number}"
        try:
            return self._make(record, name, spec, key)
        except NameTaken:
            return self._make(record, f"{name}-{record.id[-6:]}", spec, key)

    def _make(self, record: Record, name: str, spec: Json, key: str) -> Record:
        new = NewResource(
            name=name, spec=spec, owner=record.owner, visibility=record.visibility, group=record.group, tags=record.tags
        )
        groups = frozenset({record.group}) if record.group else frozenset[str]()
        owner = User(record.owner, groups)
        return self.commands.create(owner, TRAINING, new, idempotency_key=key, by_platform=True)

    def _follow(self, record: Record, study: Definition) -> list[Trial]:
        """Tell the search of those that have ended; returns those that have not. What was lost is run again."""
        trials = self.trials.open(record.id)
        trainings = self.platform.store.find_many(trial.training_id for trial in trials)
        running: list[Trial] = []
        for trial in trials:
            training = trainings.get(trial.training_id)
            if training is not None and record.phase == "RUNNING" and may_run_again(training):
                training = run_again(self.platform.store, training)
            seen = self._look(record, trial, training)
            if not seen.status.is_open:
                is_stopped_early = seen.status is TrialStatus.EARLY_STOPPED
                reached = None if seen.status.is_cut_short else seen.targets
                self.studies.tell(study, trial.number, reached, is_stopped_early=is_stopped_early)
            else:
                running.append(seen)
                if study.early_stop != "none" and seen.status is TrialStatus.RUNNING:
                    self._watch(record, study, trainings[trial.training_id], trial.number)
            if seen != trial:
                self.trials.save(seen)
        return running

    def _look(self, record: Record, trial: Trial, training: Record | None) -> Trial:
        """The trial as its training stands now."""
        now = self.platform.store.clock()
        if training is None or training.deleted_at is not None:
            targets = self._targets(record, training) if training is not None else None
            return replace(trial, status=TrialStatus.KILLED, targets=targets, ended_at=now)
        begun = replace(trial, started_at=training.started_at)
        match training.phase:
            case "COMPLETE":
                targets = self._targets(record, training)
                status = TrialStatus.SUCCEEDED if targets is not None else TrialStatus.METRICS_UNAVAILABLE
                return replace(begun, status=status, targets=targets, ended_at=training.ended_at)
            case "STOPPED":
                is_early = bool(training.internal.get("stopped_early"))
                status = TrialStatus.EARLY_STOPPED if is_early else TrialStatus.KILLED
                targets = self._targets(record, training)
                return replace(begun, status=status, targets=targets, ended_at=training.ended_at)
            case "FAIL_TRAIN" if may_run_again(training):
                # its tuning ends, and would stop it at once
                return replace(begun, status=TrialStatus.KILLED, ended_at=training.ended_at)
            case "FAIL_TRAIN" | "CREATE_FAILED":
                return replace(begun, status=TrialStatus.FAILED, ended_at=training.ended_at)
            case "CREATE_REQUESTED" | "CREATE_IN_PROGRESS":
                return replace(begun, status=TrialStatus.CREATED)
            case _:
                return replace(begun, status=TrialStatus.RUNNING)

    def _targets(self, record: Record, training: Record) -> tuple[float, ...] | None:
        """The objectives' values, as far as the training has come; None where one of them was never told."""
        metrics = [objective["metric"] for objective in record.spec["objectives"]]
        values = [value_of(self.platform.metrics, training, metric) for metric in metrics]
        found = tuple(value for value in values if value is not None)
        return found if len(found) == len(values) else None

    def _watch(self, record: Record, study: Definition, training: Record, number: int) -> None:
        """Tell the search how the training does, and stop it if it does badly."""
        spec = TuningSpec.model_validate(record.spec)
        # the search compares one way only: the objective's
        sign = 1 if spec.watched.goal == spec.objectives[0].goal else -1
        run = int(training.internal.get("attempt", 1))
        history = self.platform.metrics.history(training.id, run, spec.watched.metric)
        points = [(point.step, sign * point.value) for point in history if point.step is not None]
        if points and self.studies.report(study, number, points):
            self._stop(training, early=True)

    def _stop(self, training: Record, *, early: bool) -> None:
        machine = TRAINING.machine

        def stopped(fresh: Record) -> Record:
            if fresh.phase not in machine.phases_with("stop"):
                return fresh
            internal = {**fresh.internal, "stopped_early": True} if early else fresh.internal
            return replace(machine.step(fresh, "stop", self.platform.store.clock()), internal=internal)

        if training.phase in machine.phases_with("stop"):
            self.platform.store.update(training.id, stopped)

    # what is shown

    def _shown(self, record: Record) -> Json:
        counts = self.trials.count(record.id)
        objectives: list[Json] = record.spec["objectives"]
        maximize = tuple(objective["goal"] == "maximize" for objective in objectives)
        shown: Json = {
            "trials": {
                "completed": counts.get(TrialStatus.SUCCEEDED, 0),
                "running": counts.get(TrialStatus.RUNNING, 0),
                "waiting": counts.get(TrialStatus.CREATED, 0),
                "failed": _failures(counts),
                "early_stopped": counts.get(TrialStatus.EARLY_STOPPED, 0),
                "killed": counts.get(TrialStatus.KILLED, 0),
                "total": sum(counts.values()),
            }
        }
        if len(objectives) == 1:
            best = self.trials.best(record.id, maximize=maximize[0])
            shown["best"] = self._in_short([best])[0] if best is not None else None
        else:
            found = front(self.trials.succeeded(record.id), maximize)
            shown["front"] = self._in_short(found[:MAX_FRONT])
        return shown

    def _in_short(self, trials: list[Trial]) -> list[Json]:
        """Each with its training's name, so that a list of tunings can tell it without asking."""
        trainings = self.platform.store.find_many(trial.training_id for trial in trials)
        found: list[Json] = []
        for trial in trials:
            targets = list(trial.targets or ())
            training = trainings.get(trial.training_id)
            found.append(
                {
                    "trial": trial.number,
                    "training": trial.training_id,
                    "name": training.name if training is not None else None,
                    "value": targets[0] if targets else None,
                    "values": targets,
                    "parameters": trial.parameters,
                }
            )
        return found

    def _progress(self, record: Record) -> Json:
        counts = self.trials.count(record.id)
        done, most = _done(counts), int(record.spec["max_trials"])
        # by the rate since it was started last
        lately = done - int(record.internal.get("done_before", 0))
        now = self.platform.store.clock()
        eta = None
        if lately > 0 and record.started_at is not None and record.phase == "RUNNING":
            eta = round((now - record.started_at).total_seconds() * (most - done) / lately, 1)
        return {"fraction": min(1.0, done / most), "step": done, "steps": most, "eta_seconds": eta}

    # acting on it

    def act(self, action: str, record: Record, body: BaseModel | None, user: User) -> Record:
        assert isinstance(body, RegisterTrialBody)
        if body.trial is not None:
            trial = self.trials.find(record.id, body.trial)
            if trial is None:
                raise Invalid(f"{record.label} has no trial {body.trial}")
        elif len(record.spec["objectives"]) > 1:
            raise Invalid(f"{record.label} has several objectives and no single best trial; say which: trial=NUMBER")
        else:
            trial = self.trials.best(record.id, maximize=record.spec["objectives"][0]["goal"] == "maximize")
            if trial is None:
                raise Invalid(f"no trial of {record.label} has succeeded; there is nothing to register")
        try:
            training = self.platform.store.get(trial.training_id)
        except OrreryError:
            raise Invalid(f"the training of trial {trial.number} has been deleted; restore it from the trash") from None
        return self.trainings.act("register-model", training, RegisterModelBody(name=body.name or record.name), user)

    def purge(self, record: Record) -> None:
        self.studies.forget(record.id)


def _failures(counts: dict[TrialStatus, int]) -> int:
    return sum(number for status, number in counts.items() if status.is_failure)


def _done(counts: dict[TrialStatus, int]) -> int:
    """How many have ended, however they did."""
    return sum(number for status, number in counts.items() if not status.is_open)
