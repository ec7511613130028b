"""The documentation keeps up: every setting is described, and no link leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from traitlets import HasTraits

from orrery.controllers.settings import Settings
from orrery.extension.app import OrreryExtension
from orrery_hub.authenticator import OrreryAuthenticator
from orrery_hub.kubernetes.spawner import OrreryKubeSpawner
from orrery_hub.spawner import OrrerySpawner

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference" / "configuration.md").read_text()
OF_CLUSTERS = (ROOT / "docs" / "reference" / "kubernetes.md").read_text()


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_of_the_platform_is_described(name: str) -> None:
    row = re.search(rf"^\| `ORRERY_{name.upper()}` \| .* \| (.+) \|$", REFERENCE, re.MULTILINE)
    assert row, f"docs/reference/configuration.md does not list ORRERY_{name.upper()}"


def test_no_setting_is_described_that_is_gone() -> None:
    section = REFERENCE.partition("<!-- settings -->")[2].partition("<!-- /settings -->")[0]
    described = set(re.findall(r"`ORRERY_([A-Z_]+)` \|", section))
    assert described == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("owner", [OrreryExtension, OrrerySpawner, OrreryKubeSpawner, OrreryAuthenticator])
def test_every_trait_of_ours_is_described(owner: type[HasTraits]) -> None:
    inherited = set[str]().union(
        *(base.class_trait_names() for base in owner.__mro__[1:] if issubclass(base, HasTraits))
    )
    own = [name for name in owner.class_trait_names(config=True) if name not in inherited]
    assert [name for name in own if f"`{owner.__name__}.{name}`" not in REFERENCE + OF_CLUSTERS] == []


def test_every_variable_of_the_hub_is_described() -> None:
    source = (ROOT / "hub" / "orrery_hub" / "settings.py").read_text()
    read = set(re.findall(r'environment\.get\("([A-Z_]+)"', source))
    assert read >= {"ORRERY_HOME", "PORT"}
    assert [name for name in read if f"`{name}`" not in REFERENCE] == []


def test_every_command_of_the_makefile_is_in_its_help() -> None:
    help_text = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in help_text.splitlines()} >= {"run", "test", "check", "format", "bench", "lock"}


def test_no_link_leads_nowhere() -> None:
    command = [sys.executable, ROOT / "scripts" / "check_docs.py"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
