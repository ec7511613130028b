"""The search process: one JSON request a line on its input, one JSON answer a line on its output.

It ends by itself when its input is closed, or when nothing has been asked of it for a while. Run by `studies`.
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import traceback
from collections import OrderedDict
from dataclasses import asdict
from typing import Any, Final

import optuna

from orrery.errors import OrreryError
from orrery.tuning.definition import Definition, EarlierRun
from orrery.tuning.study import Study

#: studies kept open; the others are read again from their journals when they are asked for
MAX_OPEN: Final = 20


class Desk:
    """Answers requests about studies."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Study] = OrderedDict()

    def answer(self, request: dict[str, Any]) -> Any:
        study = self._study(Definition(**request["study"]))
        match request["ask"]:
            case "begin":
                return study.begin([EarlierRun(**run) for run in request["earlier"]])
            case "suggest":
                suggestions, is_over = study.ask(request["count"], frozenset(request["known"]))
                return {"suggestions": [asdict(suggestion) for suggestion in suggestions], "is_over": is_over}
            case "tell":
                study.tell(request["number"], request["values"], is_stopped_early=request["is_stopped_early"])
                return None
            case "report":
                return study.report(request["number"], [(step, value) for step, value in request["points"]])
            case "importances":
                return study.importances()
            case unknown:
                raise ValueError(f"request {unknown!r} is not known")

    def _study(self, definition: Definition) -> Study:
        study = self._open.pop(definition.id, None)
        if study is None or asdict(study.definition) != asdict(definition):
            study = Study(definition)
        self._open[definition.id] = study
        while len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
        return study


def serve(idle_seconds: float) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.logging.enable_propagation()
    optuna.logging.disable_default_handler()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # whatever prints must not get between the answers
    os.dup2(2, 1)
    desk = Desk()
    buffered = b""
    while select.select([0], [], [], idle_seconds)[0]:
        piece = os.read(0, 1 << 20)
        if not piece:
            return
        *lines, buffered = (buffered + piece).split(b"\n")
        for line in lines:
            answers.write(_reply(desk, line) + "\n")
            answers.flush()


def _reply(desk: Desk, line: bytes) -> str:
    try:
        return json.dumps({"answer": desk.answer(json.loads(line))})
    except OrreryError as error:
        return json.dumps({"refused": error.message})
    except Exception as error:
        # the boundary of the process: whoever asked is told, the others go on
        logging.getLogger(__name__).error("%s", traceback.format_exc())
        return json.dumps({"failed": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    serve(float(sys.argv[1]))
