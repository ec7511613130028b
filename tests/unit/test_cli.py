"""The command line without a platform: help, usage, exit codes, what it loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (
    "up down queue whoami token open kinds train run resume algorithm deploy predict dataset get describe create "
    "update delete restore copy wait stop start retry action logs files download"
).split()


def run(*arguments: str, home: Path, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORRERY_")}
    return subprocess.run(
        [sys.executable, "-m", "orrery.client.cli", *arguments],
        env={**environment, "ORRERY_HOME": str(home), "COLUMNS": "120", "NO_COLOR": "1", **variables},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    result = run("--help", home=tmp_path)
    assert result.returncode == 0
    for command in COMMANDS:
        assert f" {command} " in result.stdout
    assert "Exit codes: 0 done, 1 the run failed" in " ".join(result.stdout.split())


@pytest.mark.parametrize("command", ["train", "run", "deploy", "predict", "get", "create", "copy", "logs"])
def test_the_help_of_a_command_teaches_with_an_example(command: str, tmp_path: Path) -> None:
    result = run(command, "--help", home=tmp_path)
    assert result.returncode == 0
    assert "Example" in result.stdout
    assert f"orrery {command} " in result.stdout


def test_help_loads_neither_the_http_client_nor_the_server(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from orrery.client.cli import main\n"
        "sys.argv = ['orrery', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit:\n"
        "    print(sorted(m for m in ('httpx', 'yaml', 'pydantic', 'fastapi', 'orrery.api') if m in sys.modules))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_without_a_platform_the_exit_code_is_6_and_the_remedy_is_told(tmp_path: Path) -> None:
    result = run("get", "trainings", home=tmp_path)
    assert result.returncode == 6
    assert result.stdout == ""
    assert f"no platform is running in {tmp_path}; start one with `orrery up`" in result.stderr


def test_a_platform_that_does_not_answer_is_exit_code_6(tmp_path: Path) -> None:
    result = run("whoami", home=tmp_path, ORRERY_URL="http://127.0.0.1:9")
    assert result.returncode == 6
    assert "no platform answers at http://127.0.0.1:9" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["trian"], "Did you mean"),
        (["train", "xgboost"], "--name"),
        (["get", "trainings", "--output", "xml"], "xml"),
        (["train", "xgboost", "--name", "a", "--dataset", "d", "-p", "rounds"], "key=value"),
        (["train", "xgboost", "--name", "a", "--dataset", "d", "--max-time", "soon"], "duration"),
        (["train", "xgboost", "--name", "a", "--dataset", "d", "--target", "t", "-p", "target=u"], "given twice"),
        (["deploy", "m", "--endpoint", "e", "--replicas", "9"], "--replicas"),
        (["predict", "e", "{bad"], "is not JSON"),
        (["predict", "e", "3"], "is no row"),
        (["dataset", "create", "d", "absent.csv"], "there is no file 'absent.csv'"),
        (["create", "training"], "nothing says what to create"),
        (["create", "training", "-f", "absent.yaml"], "cannot be read"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_what_is_wrong(arguments: list[str], told: str, tmp_path: Path) -> None:
    result = run(*arguments, home=tmp_path)
    assert result.returncode == 2, result.stderr
    assert told.lower() in " ".join(result.stderr.replace("│", " ").split()).lower()
    assert result.stdout == ""


def test_the_shell_completes_kinds(tmp_path: Path) -> None:
    completed = run(home=tmp_path, _ORRERY_COMPLETE="complete_bash", COMP_WORDS="orrery get tra", COMP_CWORD="2")
    assert "trainings" in completed.stdout


def test_every_command_and_exit_code_is_in_the_reference() -> None:
    reference = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text()
    for command in COMMANDS:
        assert f"`{command}" in reference, command
    for code in (0, 1, 2, 3, 4, 5, 6, 124, 130):
        assert f"\n| {code} | " in reference
