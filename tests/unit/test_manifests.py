"""Resources as YAML: what is read, what is refused, and what counts as a difference."""

from __future__ import annotations

import pytest
import yaml

from orrery.client.manifests import (
    MAX_BYTES,
    Difference,
    Manifest,
    differences,
    names_in,
    read_manifests,
    write_manifests,
)
from orrery.client.secret_names import secret_names
from orrery.domain.algorithms import ALGORITHM
from orrery.domain.kinds import describe
from orrery.domain.trainings import TRAINING
from orrery.errors import Invalid, TooLarge

TWO = b"""
apiVersion: orrery/v1
kind: experiment
name: heart
description: 2026-11-24
---
kind: template
name: quick
spec:
  algorithm: orrery/xgboost
  parameters: {target: outcome, max_depth: 3}
"""


def test_several_documents_are_read_and_dates_stay_text() -> None:
    assert read_manifests(TWO) == [
        Manifest("experiment", "heart", None, {"description": "2026-11-24"}),
        Manifest(
            "template",
            "quick",
            None,
            {},
            {"algorithm": "orrery/xgboost", "parameters": {"target": "outcome", "max_depth": 3}},
        ),
    ]


def test_what_is_written_is_read_again() -> None:
    spec = {"algorithm": "ümlaut", "n": 1.5}
    documents = [{"apiVersion": "orrery/v1", "kind": "template", "name": "a", "spec": spec}]
    assert read_manifests(write_manifests(documents * 2).encode())[1].spec == spec


def laughs(levels: int) -> bytes:
    lines = ['a0: &a0 ["lol", "lol"]']
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(["kind: template", "name: x", "spec:", *(f"  {line}" for line in lines)]).encode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is empty; write kind, name and spec"),
        (b"kind: template", "does not say its name"),
        (
            b"kind: a\nname: on",
            r"line 2: its name is on, which YAML reads as true or false \(here true\); put .*: 'on'",
        ),
        (b"kind: a\nname: 007", "line 2: its name is 007, which YAML reads as a number; put it in quotes: name: '007'"),
        (b"kind: a\nname: []", "it does not say its name"),
        (b"- 1", "a resource is a mapping"),
        (b"kind: [", "neither YAML nor JSON that can be read: line 1: "),
        (b"kind: a\nname: b\nspec: {? [x] : 1}", "line 3: a key is no text"),
        (b"kind: a\nname: b\nspec: {x: " + b"1" * 5000 + b"}", "neither YAML nor JSON"),
        (b"kind: a\nname: b\nspce: {}", "line 3: a field 'spce' that means nothing here; did you mean 'spec'?"),
        (b"kind: a\nname: b\nspec: 3", "spec is 3; it is a mapping"),
        (b"kind: a\nname: b\nname: c", "line 3: 'name' is written twice"),
        (b"apiVersion: v2\nkind: a\nname: b", "this client knows 'orrery/v1'"),
        (b"kind: a\nname: b\nspec: {x: 1,\n y: [2, .nan]}", "line 4: y.1: must be a finite number, not nan"),
        (b"kind: a\nname: b\nspec:\n  x: 99999999999999999999", "line 4: x: must be a whole number of 64 bits"),
        (b"kind: a\nname: b\nspec:\n  x: !!binary aGk=", "line 4: spec.x is bytes, which JSON does not have"),
        (b"kind: a\nname: b\nspec: {x: !!set {a, b}}", "line 3: spec.x is set, which JSON does not have"),
        (b"kind: a\nname: !!python/object/apply:os.system ['true']", "neither YAML nor JSON"),
        (b"kind: a\nname: b\nspec: &s {x: *s}", "an alias names what it is in"),
        (b"kind: a\nname: b\nspec: {x: " + b"[" * 40 + b"]" * 40 + b"}", "nested more than 30 deep"),
        (b"kind: a\nname: b\nspec: {x: " + b"[" * 5000 + b"]" * 5000 + b"}", "nested|neither"),
        (laughs(9), "unfolds to more than 50,000 values"),
        (b"\xff\xfe\x00", "neither YAML nor JSON"),
    ],
)
def test_what_is_no_resource_or_meant_to_harm_is_refused(text: bytes, words: str) -> None:
    with pytest.raises(Invalid, match=words.replace("[", r"\[").replace("?", r"\?") if "|" not in words else words):
        read_manifests(text)


def test_a_file_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(TooLarge, match="split it into several files"):
        read_manifests(b"#" * (MAX_BYTES + 1))


def test_the_line_of_what_is_wrong_is_known() -> None:
    manifest = read_manifests(TWO)[1]
    assert manifest.line_of("spec.parameters.max_depth") == 11
    assert manifest.line_of("spec.parameters.target.0") == 11
    assert manifest.line_of("spec.datasets.train") == 9
    assert manifest.line_of() == 7
    assert Manifest("template", "a", None).line_of("spec") is None
    with pytest.raises(Invalid) as refused:
        read_manifests(TWO + b"nothing: 1\n")
    assert refused.value.details["line"] == 12


def test_a_few_aliases_are_welcome() -> None:
    text = b"kind: a\nname: b\nspec: {x: &x {y: 1}, z: *x}"
    assert read_manifests(text)[0].spec == {"x": {"y": 1}, "z": {"y": 1}}
    assert yaml.safe_load(text)["spec"] == {"x": {"y": 1}, "z": {"y": 1}}


def test_differences_go_as_deep_as_mappings_do() -> None:
    before = {"parameters": {"eta": 0.1, "depth": 3}, "tags": ["a"], "open": None}
    after = {"parameters": {"eta": 0.3, "rounds": 5}, "tags": ["a", "b"]}
    assert [str(found) for found in differences(before, after, "spec")] == [
        "spec.parameters.eta: 0.1 -> 0.3",
        "spec.parameters.depth: 3 -> nothing",
        "spec.parameters.rounds: nothing -> 5",
        'spec.tags: ["a"] -> ["a", "b"]',
    ]
    assert differences(1, 1.0, "x") == []
    assert str(Difference("x", None, "y" * 200)).endswith("...")


def test_names_are_found_wherever_they_stand() -> None:
    assert names_in({"a": "iris@1", "b": [{"c": "alice/x"}], "n": 3}) == {"iris", "alice/x"}


def test_the_secrets_that_a_spec_names_are_found_by_the_description_of_its_kind() -> None:
    training, algorithm = describe(TRAINING)["spec_schema"], describe(ALGORITHM)["spec_schema"]
    spec = {"algorithm": "a", "environment": {"X": "y"}, "secrets": {"HF_TOKEN": "one", "KEY": "two"}}
    assert secret_names(spec, training) == [("spec.secrets.HF_TOKEN", "one"), ("spec.secrets.KEY", "two")]
    source = {"type": "archive", "url": "https://example.org/a.zip", "secret": "three"}
    assert secret_names({"source": source}, algorithm) == [("spec.source.secret", "three")]
    assert secret_names({"source": {**source, "secret": ""}}, algorithm) == []
