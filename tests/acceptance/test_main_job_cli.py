"""The whole main job from the shell: a CSV becomes a model behind an endpoint; wrong input is refused."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from .conftest import ORRERY, BreastCancer, CommandLine

TRAIN = ("train", "xgboost", "--dataset", "cli", "--target", "diagnosis")


@pytest.fixture(scope="module")
def trained(shell: CommandLine, breast_cancer: BreastCancer) -> str:
    """A published dataset `cli` and a finished training `cli-1` on it."""
    created = shell.cli(
        "dataset", "create", "cli", str(breast_cancer.train), str(breast_cancer.held_out),
        "--type", "tabular", "--publish", "--purpose", "held-out.csv=testing",
    )  # fmt: skip
    assert created.returncode == 0, created.stderr
    assert "569 rows, 31 columns, version 1 published" in created.stderr
    training = shell.cli(*TRAIN, "--name", "cli-1", "--wait")
    assert training.returncode == 0, training.stderr
    assert "roc_auc" in training.stdout
    assert "COMPLETE" in training.stderr
    return "cli-1"


def test_the_held_out_auc_is_at_least_98_percent(shell: CommandLine, trained: str) -> None:
    training = shell.ask("get", "training", trained)
    assert training["status"]["phase"] == "COMPLETE"
    assert training["status"]["outputs"]["metrics"]["roc_auc"] >= 0.98


def test_deploying_and_predicting(
    shell: CommandLine, trained: str, breast_cancer: BreastCancer, tmp_path: Path
) -> None:
    deployed = shell.cli("deploy", trained, "--endpoint", "cli", "--wait")
    assert deployed.returncode == 0, deployed.stderr
    assert deployed.stdout.strip().endswith("/cli")
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps(breast_cancer.rows))
    predicted: list[str] = shell.ask("predict", "cli", f"@{rows}")["predictions"]
    right = sum(said == true for said, true in zip(predicted, breast_cancer.targets, strict=True))
    assert right / len(predicted) > 0.9
    from_stdin = shell.cli("predict", "cli", "-", stdin=json.dumps({"instances": breast_cancer.rows[:2]}))
    assert json.loads(from_stdin.stdout)["predictions"] == predicted[:2]

    # a second version takes a share, and what serves cannot be deleted
    again = shell.cli("copy", "training", trained, "cli-2", "--set", "spec.parameters.rounds=20", "--wait")
    assert again.returncode == 0, again.stderr
    shared = shell.cli("deploy", "cli-2", "--endpoint", "cli", "--traffic", "20", "--wait")
    assert shared.returncode == 0, shared.stderr
    endpoint = shell.ask("get", "endpoint", "cli")
    assert [deployment["traffic"] for deployment in endpoint["spec"]["deployments"]] == [80, 20]
    refused = shell.cli("delete", "model", "cli-2")
    assert refused.returncode == 4
    assert "endpoint" in refused.stderr
    assert "/cli" in refused.stderr


def test_a_cascade_lists_everything_and_asks_first(shell: CommandLine, trained: str) -> None:
    unasked = shell.cli("delete", "training", trained, "--cascade")
    assert unasked.returncode == 2
    assert f"/{trained}" in unasked.stderr
    assert f"model {_owner(shell)}/{trained}@1" in unasked.stderr
    assert "--yes" in unasked.stderr
    assert shell.cli("get", "training", trained).returncode == 0


def test_what_was_deleted_can_be_restored(shell: CommandLine, trained: str) -> None:
    assert shell.cli("create", "experiment", "--name", "cli-lost").returncode == 0
    assert shell.cli("delete", "experiment", "cli-lost").returncode == 0
    assert shell.cli("get", "experiment", "cli-lost").returncode == 3
    assert "cli-lost" in shell.cli("get", "experiments", "--trashed").stdout
    assert shell.cli("restore", "experiment", "cli-lost").returncode == 0
    assert shell.cli("get", "experiment", "cli-lost").returncode == 0


def test_a_printed_resource_can_be_created_anew(shell: CommandLine, trained: str) -> None:
    printed = shell.cli("get", "training", trained, "-o", "yaml").stdout
    made = shell.cli("create", "-f", "-", "--name", "cli-again", "--set", "spec.priority=LOW", stdin=printed)
    assert made.returncode == 0, made.stderr
    assert shell.ask("get", "training", "cli-again")["spec"]["priority"] == "LOW"
    shell.cli("stop", "training", "cli-again")
    waited = shell.cli("wait", "training", "cli-again")
    assert waited.returncode in (0, 1)


def test_tables_are_for_people_and_descriptions_tell_everything(shell: CommandLine, trained: str) -> None:
    listed = shell.cli("get", "trainings", "--state", "Completed").stdout.splitlines()
    assert listed[0].split()[:2] == ["NAME", "STATUS"]
    row = next(line for line in listed if line.startswith(f"{trained} "))
    assert "COMPLETE" in row
    assert "orrery/xgboost" in row
    assert "/cli@1" in row
    described = shell.cli("describe", "training", trained).stdout
    assert "roc_auc" in described
    assert "train: " in described
    assert "/cli@1" in described
    assert shell.cli("logs", "training", trained, "--tail", "3").stdout.count("\n") == 3
    assert "output.ipynb" in shell.cli("files", "training", trained).stdout
    assert shell.cli("queue").returncode == 0
    assert shell.cli("open").stdout.strip() == shell.url
    assert shell.cli("token", "--expires", "5m").stdout.count(".") == 2


def test_a_run_that_is_stopped_is_exit_code_1_and_ctrl_c_leaves_it_running(
    shell: CommandLine, trained: str, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    command = ("train", "--script", str(tmp_path), "--entry", "slow.py", "--name", "cli-long", "--wait")
    waiting = subprocess.Popen(
        [*ORRERY, *command],
        env=shell.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr is not None
    assert any("RUNNING" in line for line in waiting.stderr)
    told = interrupt(waiting)
    assert waiting.returncode == 130
    assert "Follow it again with: orrery wait training" in told
    assert shell.ask("get", "training", "cli-long")["status"]["phase"] == "RUNNING"

    timed_out = shell.cli("wait", "training", "cli-long", "--timeout", "1s")
    assert timed_out.returncode == 124
    assert shell.cli("stop", "training", "cli-long").returncode == 0
    stopped = shell.cli("wait", "training", "cli-long")
    assert stopped.returncode == 1
    assert "was stopped" in stopped.stderr


def interrupt(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C until it has ended (Python drops one that comes while it runs a finaliser); its last words."""
    for _ in range(10):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=5)[1]
    process.kill()
    raise AssertionError(f"Ctrl-C was not heard: {process.communicate()[1]}")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"a,a\n1,2\n", "'a'"),
        (b"a,b\n1,2\n1,2,3\n", "line 3"),
        (b"a,b\n\xff\xfe\x00,2\n", "encod"),
    ],
    ids=["empty", "duplicate-columns", "ragged", "encoding"],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(
    content: bytes, told: str, shell: CommandLine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    name = f"bad-{request.node.callspec.id}"
    (tmp_path / "data.csv").write_bytes(content)
    result = shell.cli("dataset", "create", name, str(tmp_path / "data.csv"), "--publish")
    assert result.returncode in (1, 2), result.stderr
    assert told in result.stderr
    assert shell.cli("get", "dataset-version", name).returncode == 3


BAD = (*TRAIN, "--name", "cli-bad")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((*TRAIN[:-1], "diagnosys", "--name", "cli-bad"), 2, "did you mean 'diagnosis'"),
        ((*BAD, "-p", "rounds=-1"), 2, "-1"),
        ((*BAD, "-p", "roundz=1"), 2, "roundz"),
        ((*BAD, *(word for n in range(101) for word in ("-p", f"x{n}=1"))), 2, "at most 100"),
        ((*BAD, "--instance", "enormous"), 2, "enormous"),
        ((*TRAIN, "--name", "cli-1"), 4, "cli-1"),
        (("train", "xgboost", "--name", "cli-bad", "--dataset", "absent", "--target", "diagnosis"), 2, "absent"),
        (("train", "xgbost", "--name", "cli-bad", "--dataset", "cli", "--target", "diagnosis"), 2, "xgbost"),
        ((*TRAIN, "--name", "no good"), 2, "no good"),
        (("get", "trainings", "--phase", "FLYING"), 2, "FLYING"),
        (("get", "training", "cli-absent"), 3, "cli-absent"),
        (("get", "trainigns"), 3, "did you mean 'trainings'"),
        (("stop", "training", "cli-1"), 4, "COMPLETE"),
        (("action", "training", "cli-1", "fly"), 3, "register-model"),
        (("predict", "cli-absent", "{}"), 3, "cli-absent"),
        (("deploy", "cli-absent", "--endpoint", "cli-absent"), 3, "cli-absent"),
        (("restore", "training", "cli-absent"), 3, "trash"),
        (("update", "training", "cli-1", "--set", "spec.instance_type=cpu-large"), 2, "cannot be changed"),
        (("update", "training", "cli-1", "--set", "spec.priority=HIGH"), 4, "counts only while it waits"),
    ],
)  # fmt: skip
def test_what_is_refused_has_an_exit_code_and_names_the_value(
    arguments: tuple[str, ...], code: int, told: str, shell: CommandLine, trained: str
) -> None:
    result = shell.cli(*arguments)
    assert result.returncode == code, result.stderr
    assert told in result.stderr
    assert shell.cli("get", "training", "cli-bad").returncode == 3


def test_a_token_that_is_not_valid_is_exit_code_5(shell: CommandLine) -> None:
    refused = shell.cli("whoami", environment={"ORRERY_TOKEN": "forged"})
    assert refused.returncode == 5, refused.stdout


def _owner(shell: CommandLine) -> str:
    return shell.ask("whoami")["name"]


def test_a_platform_is_started_found_and_stopped_by_the_command_line(home: Path) -> None:
    with CommandLine(home) as own:
        assert own.cli("open").stdout.strip() == own.url
        second = own.cli("up", "--port", "0")
        assert second.returncode == 4
        assert own.url in second.stderr
        reaping = threading.Thread(target=own.wait_ended)
        reaping.start()
        assert own.cli("down").returncode == 0
        reaping.join()
        gone = own.cli("whoami")
        assert gone.returncode == 6
        assert "orrery up" in gone.stderr
        assert own.cli("down").returncode == 3
