"""What is said of an environment that is not the one a dashboard was published with."""

from __future__ import annotations

from orrery.controllers import environment


def test_the_same_environment_needs_no_word() -> None:
    assert environment.describe_change(environment.identity(), environment.packages()) == ""


def test_what_has_changed_is_named() -> None:
    before = {**environment.packages(), "numpy": "1.0", "gone-since": "2.0"}
    old = {**environment.identity(), "python": "3.10.1", "lock": "other"}
    said = environment.describe_change(old, before)
    assert said.startswith("its environment is not the one it was published with: Python 3.10.1 is now 3.")
    assert "gone-since 2.0 is now absent" in said and "numpy 1.0 is now" in said


def test_of_many_changes_a_few_are_named() -> None:
    said = environment.describe_change({**environment.identity(), "lock": "other"}, {})
    assert said.endswith(f"and {len(environment.packages()) - 3} more")
