"""Write docs/reference/state-machines.md from the kinds' transition tables."""

from __future__ import annotations

from pathlib import Path

from orrery.domain.catalogue import KINDS
from orrery.domain.kinds import Kind

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "state-machines.md"


def diagram(kind: Kind) -> str:
    lines = [f"## {kind.title}", "", "```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {kind.machine.initial}"]
    lines += [f"    {source} --> {target}: {event}" for (source, event), target in kind.machine.transitions.items()]
    lines += ["```", "", "| phase | state | at rest |", "| --- | --- | --- |"]
    for phase in kind.machine.phases.values():
        lines.append(f"| `{phase.name}` | {phase.state} | {'yes' if phase.settled else ''} |")
    return "\n".join(lines)


def page() -> str:
    head = (
        "# State machines\n\nMade from the tables in `orrery/domain/` by `scripts/make_state_diagrams.py`. "
        "Every step not drawn is refused with `invalid_transition`.\n"
    )
    return "\n\n".join([head.rstrip(), *(diagram(kind) for kind in KINDS)]) + "\n"


if __name__ == "__main__":
    TARGET.write_text(page())
