"""One tuning, live: its progress, its trials, what they found and what mattered; the model of the best.

from orrery_widgets import TuningView
TuningView("trees")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orrery.client import Client, Model, Tuning
from orrery.client.failures import field_messages
from orrery.errors import Invalid
from orrery_widgets import code, parts
from orrery_widgets.answers import bar
from orrery_widgets.deploy import Deploy
from orrery_widgets.panel import Panel
from orrery_widgets.progress import Progress
from orrery_widgets.trials import (
    Trial,
    best_table,
    counts,
    history,
    orders,
    parameter_names,
    read_trial,
    settled_before,
    sort_trials,
    trial_table,
)

PAGE = 10
_STOP_TRIAL = "Stop this trial? It counts as stopped, and the tuning goes on."
#: a choice of more is of no use; the newest are offered, and any may be given in code
MOST = 200
#: importances are read again when so many more trials are complete than there were
_GROWTH = 1.1


class TuningView(Panel):
    """Follows the platform. `tuning`, an object, an id or a name, opens it; where none is given, one is chosen."""

    def __init__(
        self, tuning: str | Tuning | None = None, *, id: str | None = None, client: Client | None = None
    ) -> None:
        super().__init__("Tuning", client=client)
        self.tuning: Tuning | None = None
        self.trials: list[Trial] = []
        #: what was registered of it here
        self.model: Model | None = None
        self.deployment: Deploy | None = None
        self.progress: Progress | None = None
        self._page = 0
        self._parameters: list[str] = []
        self._offered: tuple[str, bool] | None = None
        self._weighed = 0

        self.tuning_input: Any = parts.dropdown("Tuning")
        parts.observe(self.tuning_input, lambda: self.run(self._open_chosen))
        self._counts, self._best, self._importances = parts.html(), parts.html(), parts.html()
        self._actions = parts.row(margin="6px 0 0 0")
        self.name_input: Any = parts.text("Model's name", placeholder="the tuning's name")
        self.trial_input: Any = parts.dropdown("Of trial")
        self._name_fault = parts.html()
        self.register_button: Any = parts.button("Create model", self.register_model, style="primary")
        self._deploy_button: Any = parts.button("Deploy", self.deploy)
        parts.show(self._deploy_button, False)
        self._register = parts.box(
            [
                *(self.trial_input, self.name_input, self._name_fault),
                parts.row([self.register_button, self._deploy_button]),
            ]
        )
        parts.show(self._register, False)
        self.running_input: Any = parts.dropdown("Trial", width="420px")
        self._stop_trial_box = parts.row(
            [self.running_input, parts.confirmed("Stop this trial", _STOP_TRIAL, self.stop_trial)]
        )
        parts.show(self._stop_trial_box, False)
        self._deploy_box = parts.box()
        self.objective_input: Any = parts.dropdown("Objective")
        parts.observe(self.objective_input, lambda: self.run(self._draw_history))
        self._history = parts.html()
        self.order_input: Any = parts.dropdown("Sort by", orders([], []), "number", width="420px")
        self.descending: Any = parts.toggle("Descending", lambda _: self._turn_to(0), value=True)
        parts.observe(self.order_input, lambda: self._turn_to(0))
        self._table = parts.html()
        self._previous = parts.button("Previous", lambda: self._turn_to(self._page - 1), tooltip="Trials before these")
        self._next = parts.button("Next", lambda: self._turn_to(self._page + 1), tooltip="Trials after these")
        self._place = parts.html()
        wanted = tuning if tuning is not None else id
        self.run(lambda: self._begin(wanted))

    # what a person does

    def stop_tuning(self) -> None:
        """Stop it, where it still runs; what has been found is kept."""
        self.run(self._stop_tuning)

    def stop_trial(self) -> None:
        """Stop the chosen trial; the tuning goes on with the next."""
        self.run(self._stop_trial)

    def go_on(self) -> None:
        """Begin again where it was stopped, or try again after too many failures."""
        self.run(self._go_on)

    def register_model(self) -> None:
        """Make a model of the chosen trial, which is the best where no other is chosen."""
        self._name_fault.value = ""
        self.run(self._register_model)

    def deploy(self) -> None:
        """The form that puts the registered model behind an endpoint."""
        if self.model is not None:
            self._end_deployment()
            self.deployment = Deploy(self.model, client=self.client)
            self._deploy_box.children = [self.deployment]

    def turn_to(self, page: int) -> None:
        """Show another page of the trials, from 0."""
        self._turn_to(page)

    @property
    def counts(self) -> str:
        """How many trials are complete, running, failed and stopped, as HTML."""
        return str(self._counts.value)

    @property
    def best(self) -> str:
        """The best trial, or those that no other beats, as HTML."""
        return str(self._best.value)

    @property
    def history(self) -> str:
        """The drawn history, as HTML."""
        return str(self._history.value)

    @property
    def importances(self) -> str:
        """How much each parameter explains, as HTML; empty while too little is known."""
        return str(self._importances.value)

    @property
    def table(self) -> str:
        """The page of trials that is shown, as HTML."""
        return str(self._table.value)

    @property
    def name_fault(self) -> str:
        """What is wrong with the new model's name, as HTML."""
        return str(self._name_fault.value)

    def code(self) -> str:
        if self.tuning is None:
            return code.program("for tuning in client.tunings.list(limit=20):\n    print(tuning, tuning.best)")
        get = code.call("client.tunings.get", self.tuning.id, result="tuning")
        return code.program(get, "print(tuning.front, tuning.importances())", "trials = tuning.trials()")

    def close(self) -> None:
        if self.progress is not None:
            self.progress.close()
        super().close()

    # reading

    def _begin(self, wanted: str | Tuning | None) -> None:
        if wanted is not None:
            found = self.client.find(wanted, "tuning")
            assert isinstance(found, Tuning)
            self._open(found)
            return
        choices: list[parts.Choice] = [
            (f"{found.qualified_name} ({found.status.phase})", found.id)
            for found in self.client.tunings.list(limit=MOST)
        ]
        if not choices:
            self.set_body([parts.html("There is no tuning yet. TuningForm() begins one.")])
            return
        parts.set_choices(self.tuning_input, choices)
        self._open_chosen()

    def _open_chosen(self) -> None:
        if self.tuning is None or self.tuning.id != self.tuning_input.value:
            self._open(self.client.tunings.get(self.tuning_input.value))

    def _open(self, tuning: Tuning) -> None:
        self._end_deployment()
        if self.progress is not None:
            self.progress.close()
        is_first = self.tuning is None
        self.tuning, self.trials, self.model = tuning, [], None
        self._page, self._offered, self._weighed = 0, None, 0
        self.progress = Progress(tuning, follow=False)
        parts.show(self._deploy_button, False)
        self._importances.value = ""
        self.set_title(f"Tuning {tuning.name}")
        objectives: list[Mapping[str, str]] = tuning.spec["objectives"]
        parts.set_choices(self.objective_input, [(one["metric"], place) for place, one in enumerate(objectives)])
        parts.show(self.objective_input, len(objectives) > 1)
        self._read()
        self.set_body(
            [
                *([self.tuning_input] if self.tuning_input.options else []),
                *(self.progress, self._counts),
                *(parts.html(parts.group("Best trials" if len(objectives) > 1 else "Best trial")), self._best),
                *(self._actions, self._stop_trial_box, self._register, self._deploy_box),
                *(parts.html(parts.group("History")), self.objective_input, self._history, self._importances),
                parts.html(parts.group("Trials")),
                parts.row([self.order_input, self.descending]),
                self._table,
                parts.row([self._previous, self._next, self._place]),
            ]
        )
        if is_first:
            self.listen(["tuning"], self._read, every_seconds=1.0)

    def _read(self) -> None:
        """The tuning as it is now; of its trials, those that may have changed."""
        tuning = self.tuning
        if tuning is None:
            return
        tuning.refresh()
        objectives = tuning.spec["objectives"]
        kept = settled_before(self.trials)
        fresh = tuning.trials(skip=len(kept))
        self.trials = [*kept, *(read_trial(trial, len(objectives)) for trial in fresh)]
        self.clear_error()
        if self.progress is not None:
            self.progress.show(tuning)
        self._counts.value = counts(tuning.status.outputs, tuning.spec["max_trials"])
        self._best.value = best_table(tuning.front, objectives)
        self._parameters = list(tuning.spec["space"]) or parameter_names(self.trials)
        choices = orders(objectives, self._parameters)
        if list(self.order_input.options) != choices:
            parts.set_choices(self.order_input, choices)
        self._offer()
        self._draw_history()
        self._draw_table()
        self._weigh()
        self.refresh_code()

    def _weigh(self) -> None:
        """Read the importances, which take the platform a while, when enough has been added to what they tell of."""
        tuning = self.tuning
        completed = sum(trial.status == "SUCCEEDED" for trial in self.trials)
        if tuning is None or completed == self._weighed:
            return
        if completed < self._weighed * _GROWTH and not tuning.has_settled():
            return
        self._weighed = completed
        found = {metric: shares for metric, shares in tuning.importances().items() if shares}
        self._importances.value = "".join(
            parts.group(f"What {metric} depends on")
            + "".join(bar(name, share) for name, share in sorted(shares.items(), key=lambda pair: -pair[1]))
            for metric, shares in found.items()
        )

    # drawing

    def _draw_history(self) -> None:
        if self.tuning is not None and self.objective_input.value is not None:
            objectives = self.tuning.spec["objectives"]
            self._history.value = history(self.trials, objectives, self.objective_input.value)

    def _turn_to(self, page: int) -> None:
        self._page = page
        self.run(self._draw_table)

    def _draw_table(self) -> None:
        tuning = self.tuning
        if tuning is None:
            return
        listed = sort_trials(self.trials, self.order_input.value, descending=bool(self.descending.value))
        self._page = max(0, min(self._page, (len(listed) - 1) // PAGE))
        first = self._page * PAGE
        shown = listed[first : first + PAGE]
        best = {one["trial"] for one in tuning.front}
        self._table.value = trial_table(shown, tuning.spec["objectives"], self._parameters, best) if shown else ""
        words = f"{first + 1} to {first + len(shown)} of {parts.plural(len(listed), 'trial')}"
        self._place.value = parts.soft(words if shown else "There is no trial yet.")
        self._previous.disabled = first == 0
        self._next.disabled = first + PAGE >= len(listed)
        for control in (self._previous, self._next):
            parts.show(control, len(listed) > PAGE)

    def _offer(self) -> None:
        """What is possible now; a question that is asked stays while nothing of it has changed."""
        tuning = self.tuning
        assert tuning is not None
        found = tuning.front
        running: list[parts.Choice] = [
            (f"{trial.number}: {trial.status.lower()}", trial.number) for trial in self.trials if trial.is_open
        ]
        if list(self.running_input.options) != running:
            parts.set_choices(self.running_input, running)
        parts.show(self._stop_trial_box, bool(running) and not tuning.has_settled())
        best = [one["trial"] for one in found]
        others = [one.number for one in self.trials if one.status == "SUCCEEDED" and one.number not in best]
        numbers: list[parts.Choice] = [*((f"{one} (best)", one) for one in best), *((str(one), one) for one in others)]
        if list(self.trial_input.options) != numbers:
            parts.set_choices(self.trial_input, numbers, best[0] if best else None)
        offered = (tuning.status.phase, bool(found))
        if offered == self._offered:
            return
        self._offered = offered
        controls: list[Any] = []
        if not tuning.has_settled():
            question = "Stop this tuning? What has been found is kept."
            controls.append(parts.confirmed("Stop", question, self.stop_tuning))
        elif tuning.status.state == "Cancelled":
            controls.append(parts.button("Go on", self.go_on))
        elif tuning.status.state == "Failed":
            controls.append(parts.button("Retry", self.go_on))
        self._actions.children = controls
        parts.show(self._register, tuning.status.phase == "COMPLETE" and bool(found))

    # acting

    def _stop_tuning(self) -> None:
        if self.tuning is not None and not self.tuning.refresh().has_settled():
            self.tuning.stop()
            self._read()

    def _stop_trial(self) -> None:
        if self.tuning is not None and self.running_input.value is not None:
            stopped = self.tuning.stop_trial(self.running_input.value)
            self.say(f"{stopped.qualified_name} is stopped.")
            self._read()

    def _go_on(self) -> None:
        if self.tuning is not None:
            self.tuning.act("start" if self.tuning.status.state == "Cancelled" else "retry")
            self._read()

    def _register_model(self) -> None:
        tuning = self.tuning
        if tuning is None:
            return
        trial = self.trial_input.value
        try:
            self.model = model = tuning.register_model(self.name_input.value.strip() or None, trial=trial)
        except Invalid as error:
            if not field_messages(error):
                raise
            self._name_fault.value = parts.field_alert(field_messages(error)[0][1])
            return
        self.name_input.value = ""
        parts.show(self._deploy_button, True)
        self.say(f"{model.qualified_name} is registered.")

    def _end_deployment(self) -> None:
        if self.deployment is not None:
            self.deployment.close()
        self.deployment = None
        self._deploy_box.children = []
