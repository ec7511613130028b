"""The Containerfiles, as far as no container engine is needed: linted, and everything that they name is there."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "images").glob("Containerfile*"))
VARIANTS: list[dict[str, str]] = json.loads((ROOT / "images" / "variants.json").read_text())


def instructions(file: Path) -> list[tuple[str, str]]:
    """Each instruction with its words, comments gone and lines joined."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    assert hadolint, "hadolint is not installed; it comes with the test requirements"
    linted = subprocess.run([hadolint, str(file)], capture_output=True, text=True, check=False)
    assert linted.stdout == "" and linted.returncode == 0


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_copied_is_there_and_not_ignored(file: Path) -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [words for name, words in instructions(file) if name == "COPY" and "--from" not in words]
    assert copied
    for source in (source for words in copied for source in words.split()[:-1]):
        assert any(fnmatch.fnmatch(source, pattern) or source == pattern for pattern in kept), f"{source} is ignored"
        # the wheel is built before
        assert source == "dist/*.whl" or (ROOT / source).exists(), f"{source} is not there"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_build_argument_has_a_default_and_every_stage_exists(file: Path) -> None:
    defaults: dict[str, str] = {}
    stages: set[str] = set()
    for name, words in instructions(file):
        if name == "ARG":
            key, equals, value = words.partition("=")
            assert equals, f"{key} has no default"
            assert defaults.setdefault(key, value) == value or key == "FRAMEWORK_VERSION", f"{key} has two defaults"
        elif name == "FROM":
            base, _, stage = words.partition(" AS ")
            base = re.sub(r"\$\{(\w+)\}", lambda found: defaults[found[1]], base)
            assert base in stages or "/" in base, f"{base} is no stage before it"
            stages.add(stage)


def test_there_are_six_images_of_notebooks_and_four_of_trainings_and_each_is_a_stage() -> None:
    names = [variant["name"] for variant in VARIANTS]
    assert len([name for name in names if name.startswith("notebook-")]) == 6
    assert len([name for name in names if name.startswith("train-")]) == 4
    assert names == [f"{each['kind']}-{each['variant']}-{each['core']}" for each in VARIANTS]
    stages = set(re.findall(r"^FROM .* AS (\w+)$", (ROOT / "images" / "Containerfile").read_text(), re.MULTILINE))
    assert {each[part] for each in VARIANTS for part in ("kind", "variant", "core")} <= stages


def test_versions_agree_with_what_is_installed_on_one_machine() -> None:
    torch = re.findall(r"^TORCH \?= torch==(.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {each["framework_version"] for each in VARIANTS if each["variant"] == "pytorch"} == set(torch)


def test_an_image_of_notebooks_leaves_root_and_says_what_it_is() -> None:
    found = instructions(ROOT / "images" / "Containerfile")
    commands = [words for name, words in found if name == "CMD"]
    assert '"orrery_hub.start", "--user", "orrery"' in commands[0]
    assert [words for name, words in found if name == "ENTRYPOINT"] == ['["tini", "-g", "--"]']
    labels = " ".join(words for name, words in found if name == "LABEL")
    for label in ("base", "type", "core-type", "framework", "framework-version", "python-version"):
        assert f"orrery.image.{label}=" in labels


def test_the_services_are_never_root() -> None:
    users = [words for name, words in instructions(ROOT / "images" / "Containerfile.services") if name == "USER"]
    assert users == ["1000", "0", "1000"]


def test_make_images_builds_each_under_its_own_tag() -> None:
    command = [sys.executable, ROOT / "images" / "build.py", "--dry-run", "--registry", "reg.example.org/o"]
    shown = subprocess.run([*command, "--arg", "PYTHON=3.11"], capture_output=True, text=True, check=True).stdout
    lines = shown.splitlines()
    assert len(lines) == len(VARIANTS) + 2
    assert lines[2] == (
        "docker build --file images/Containerfile --tag reg.example.org/o/notebook:0.1.0-pytorch-cpu "
        "--build-arg VERSION=0.1.0 --build-arg KIND=notebook --build-arg VARIANT=pytorch --build-arg CORE=cpu "
        "--build-arg FRAMEWORK_VERSION=2.13.0 --build-arg PYTHON=3.11 ."
    )
    assert "--target hub --tag reg.example.org/o/hub:0.1.0" in lines[-1]
    assert len({re.findall(r"--tag (\S+)", line)[0] for line in lines}) == len(lines)
