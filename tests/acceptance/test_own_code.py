"""Code of one's own, trained by the CLI and the SDK on a real platform: the `EM_*` contract, checkpoints, notebooks."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from orrery import Client
from orrery.client.waiting import RunFailed
from orrery.errors import Invalid, NameTaken
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until

CSV = "width,species\n" + "".join(f"{number},{'big' if number > 20 else 'small'}\n" for number in range(40))
#: written for the contract, with nothing of ours in it
TRAIN = """
import argparse, csv, json, os, sys, time
from pathlib import Path
import helper

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--learning-rate", type=float, required=True, help="how far each step goes")
parser.add_argument("--verbose", action="store_true")
parser.add_argument("--fail-at", type=int)
arguments = parser.parse_args()

assert os.environ["EM_HP_LEARNING_RATE"] == str(arguments.learning_rate)
assert json.loads(os.environ["EM_HPS"])["learning-rate"] == arguments.learning_rate
assert Path(os.environ["EM_SOURCE_DIR"]) == Path(__file__).parent == Path.cwd()
assert os.environ["EM_ENTRY_POINT"] == "train.py"
assert set(json.loads(os.environ["EM_DATASETS"])) == {"train"}
assert json.loads(Path(os.environ["EM_CONFIG"]).read_text())["hyperparameters"]["verbose"] is True
assert os.environ["COLOUR"] == "blue"
rows = list(csv.DictReader(open(Path(os.environ["EM_DATASET_TRAIN"]) / "table.csv")))
assert len(rows) == 40 and arguments.verbose

kept = Path(os.environ["EM_CHECKPOINT_DIR"]) / "state" / "last.json"
begun = 0
if os.environ["EM_CHECKPOINT_INPUT_DIR"]:
    begun = json.loads((Path(os.environ["EM_CHECKPOINT_INPUT_DIR"]) / "state" / "last.json").read_text())["epoch"]
    print(f"goes on after epoch {begun}")
kept.parent.mkdir(parents=True)
for epoch in range(begun + 1, arguments.epochs + 1):
    print(f"Epoch {epoch}/{arguments.epochs} accuracy={helper.accuracy(epoch)}")
    kept.write_text(json.dumps({"epoch": epoch}))
    if epoch == arguments.fail_at and not begun:
        sys.exit("the disk of the data went away")
Path(os.environ["EM_MODEL_DIR"], "weights.pt").write_bytes(b"weights")
Path(os.environ["EM_OUTPUT_DIR"], "report.txt").write_text("well")
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with RunningPlatform(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def table(platform: RunningPlatform) -> None:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        client.datasets.create("table", {"table.csv": CSV.encode()}, publish=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "forest"
    source.mkdir()
    (source / "train.py").write_text(TRAIN)
    (source / "helper.py").write_text("def accuracy(epoch):\n    return 1 - 0.5 ** epoch\n")
    return source


def test_a_script_of_the_contract_runs_unchanged_fails_and_is_resumed(
    platform: RunningPlatform, client: Client, folder: Path
) -> None:
    done = platform.cli(
        *("train", "--script", str(folder), "--entry", "train.py", "--name", "forest", "--dataset", "train=table"),
        *("-p", "learning-rate=0.1", "-p", "verbose=true", "-p", "fail-at=2", "--env", "COLOUR=blue"),
        *("--metric", "accuracy=accuracy=([0-9.]+)", "--max-time", "2h", "--wait"),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    training = client.trainings.get("forest")
    assert training.status.phase == "FAIL_TRAIN"
    assert training.status.message.startswith("exit code : 1 (pid: ")
    assert "the disk of the data went away" in training.status.message
    assert [file["path"] for file in training.status.outputs["checkpoint_files"]] == ["state/last.json"]

    done = platform.cli("resume", "forest", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    training = client.trainings.get("forest")
    log = "".join(training.logs())
    assert "goes on after epoch 2" in log and "Epoch 1/4" not in log
    assert training.metrics == {"accuracy": 1 - 0.5**4}
    # the curve goes on where the first attempt left it
    points = [(point.step, point.value) for point in training.metrics_history()["accuracy"]]
    assert points == [(1, 0.5), (2, 0.75), (3, 0.875), (4, 0.9375)]
    assert training.status.progress is not None and training.status.progress.epoch == 4
    assert {file.path for file in training.files()} >= {"output/report.txt", "model/weights.pt"}

    algorithm = client.algorithms.get("forest")
    assert list(algorithm.parameters_schema["properties"]) == ["epochs", "learning-rate", "verbose", "fail-at"]
    model = training.model.wait()
    assert (model.status.phase, model.status.outputs["framework"]) == ("ACTIVE", "pytorch")
    with pytest.raises(Invalid, match=r"has no orrery-model\.json"):
        client.deploy(model, endpoint="forest")


def test_another_training_begins_from_the_checkpoints_of_one(client: Client, folder: Path) -> None:
    options: Any = {
        "dataset": "table",
        "parameters": {"learning-rate": 0.1, "verbose": True},
        "environment": {"COLOUR": "blue"},
        "progress": False,
    }
    first = client.train("own", name="first", script=folder, entry_point="train.py", wait=True, **options)
    options["parameters"] = {**options["parameters"], "epochs": 6}
    second = client.train("own", name="second", checkpoint_from=first, wait=True, **options)
    assert "goes on after epoch 4" in "".join(second.logs())


def test_why_a_run_failed_is_told_once_on_the_command_line(platform: RunningPlatform, tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text("print('begun')\nraise ValueError('a bad batch')\n")
    failed = platform.cli("train", "--script", str(tmp_path / "run.py"), "--name", "told-once", "--wait")
    assert failed.returncode == 1
    assert failed.stderr.count("ValueError: a bad batch") == 1
    assert "told-once failed: exit code : 1" in failed.stderr


def test_a_refused_run_leaves_nothing_of_its_code_behind(client: Client) -> None:
    first, second = {"run.py": b"print('first')"}, {"run.py": b"print('second')"}
    with pytest.raises(Invalid, match="instance type 'huge' is unknown"):
        client.train(name="refused", script=first, instance_type="huge")
    assert "refused" not in [algorithm.name for algorithm in client.algorithms.list()]
    # and of one that is there already the code is again what it was
    client.train(name="kept", script=first, register_model=False, wait=True)
    before = client.algorithms.get("kept").spec
    with pytest.raises(Invalid, match="instance type 'huge' is unknown"):
        client.train("kept", name="kept-2", script=second, instance_type="huge")
    assert client.algorithms.get("kept").spec == before
    with pytest.raises(NameTaken):
        client.train("kept", name="kept", script=second)
    assert client.algorithms.get("kept").spec == before


def test_values_are_checked_against_what_the_script_takes(client: Client, folder: Path) -> None:
    client.algorithms.put("checked", folder, entry_point="train.py")
    for parameters, told in (
        ({}, "'learning-rate' is missing"),
        ({"learning-rate": "fast"}, "must be a number"),
        ({"learning-rate": 1, "epoch": 3}, "epochs"),
    ):
        with pytest.raises(Invalid, match=told):
            client.train("checked", name="refused", dataset="table", parameters=parameters)
    with pytest.raises(Invalid, match="kept no checkpoint"):
        client.train(
            "checked",
            name="refused",
            dataset="table",
            parameters={"learning-rate": 1},
            checkpoint_from=client.train("checked", name="early", parameters={"learning-rate": 1}),
        )


def test_bad_code_is_refused_and_leaves_nothing(client: Client, tmp_path: Path) -> None:
    for files, entry, told in (
        ({"a.py": b"x = 1", "b.py": b"x = 2"}, None, "which of the files is run"),
        ({"a.txt": b"x"}, None, r"neither a \.py nor an \.ipynb"),
        ({"a.py": b"x = 1"}, "b.py", "'b.py' is not among the files"),
        ({"a.py": b"x ="}, None, "a.py is not Python"),
        ({"a.py": b"\xff\xfe"}, None, "not UTF-8"),
        ({"a.ipynb": b"{}"}, None, "no cells"),
        ({"a.ipynb": b"[" * 100_000}, None, "is not JSON"),
        ({"a.py": b"x = 1", "parameters.schema.json": b"[]"}, None, "must hold a JSON object"),
    ):
        with pytest.raises(Invalid, match=told):
            client.algorithms.create("bad", files, entry_point=entry)
    with pytest.raises(Invalid, match="no group around the value"):
        client.algorithms.create("bad", {"a.py": b"x = 1"}, metrics={"accuracy": "accuracy"})
    assert [one.name for one in client.algorithms.list(name="bad")] == []


def test_a_retry_runs_the_code_that_the_training_began_with(client: Client) -> None:
    training = client.train(name="pinned", script={"run.py": b"print('old'); raise SystemExit(3)"})
    with pytest.raises(RunFailed):
        training.wait(progress=False)
    with pytest.raises(Invalid, match="kept no checkpoint"):
        training.resume()
    client.algorithms.put("pinned", {"run.py": b"print('new')"})
    with pytest.raises(RunFailed):
        training.retry().wait(progress=False)
    assert "old" in "".join(training.logs())


def test_a_notebook_runs_with_its_neighbours_and_its_requirements(client: Client, tmp_path: Path) -> None:
    source = tmp_path / "notebook"
    package = source / "wheels"
    package.mkdir(parents=True)
    with zipfile.ZipFile(package / "greeter-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("greeter.py", "WORD = 'hello'\n")
        wheel.writestr("greeter-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n")
        wheel.writestr("greeter-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("greeter-1.0.dist-info/RECORD", "")
    (source / "requirements.txt").write_text("./wheels/greeter-1.0-py3-none-any.whl\n")
    (source / "neighbour.py").write_text("TIMES = 2\n")
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("name: str = 'nobody'  #: Who is greeted.", metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell(
                "import greeter, neighbour\nprint((greeter.WORD + ' ' + name) * neighbour.TIMES)"
            ),
        ]
    )
    nbformat.write(notebook, source / "greet.ipynb")
    training = client.train(
        name="greeting",
        script=source,
        entry_point="greet.ipynb",
        parameters={"name": "world"},
        wait=True,
        progress=False,
    )
    log = "".join(training.logs())
    assert "hello worldhello world" in log and "Installing requirements.txt" in log
    assert "hello world" in json.dumps(training.notebook())
    again = client.train("greeting", name="greeting-2", wait=True, progress=False)
    assert "Installing requirements.txt" not in "".join(again.logs())
    assert "hello nobody" in "".join(again.logs())


def test_a_notebook_comes_back_beside_its_source_even_when_it_fails(
    platform: RunningPlatform, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "__init__.py").write_text("def half(x):\n    return x / 2\n")
    cells = [
        "year: int = 2000",
        "import lib, os\nprint('half is', lib.half(year), 'of', os.getenv('UNIT'))",
        "assert year != 13, 'bad luck'",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, tmp_path / "My report.ipynb")
    source = str(tmp_path / "My report.ipynb")
    done = platform.cli("run", source, "-p", "year=2026", "--name", "report-1", "--env", "UNIT=years", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "half is 1013.0 of years" in (tmp_path / "My report-report-1.ipynb").read_text()
    with pytest.raises(RunFailed, match="bad luck"):
        client.run_notebook(tmp_path / "My report.ipynb", name="report-2", parameters={"year": 13}, progress=False)
    result = (tmp_path / "My report-report-2.ipynb").read_text()
    assert "half is 6.5" in result and "bad luck" in result
    with pytest.raises(Invalid, match="is no notebook"):
        client.run_notebook(tmp_path / "lib" / "__init__.py")


def test_requirements_that_cannot_be_had_are_named(client: Client) -> None:
    files = {"run.py": b"print(1)", "requirements.txt": b"./not-there-1.0-py3-none-any.whl\n"}
    training = client.train(name="needy", script=files, entry_point="run.py")
    with pytest.raises(RunFailed):
        training.wait(progress=False)
    assert training.status.reason == "requirements"
    assert "requirements.txt could not be installed" in training.status.message


def test_a_stopped_script_keeps_its_checkpoints(client: Client) -> None:
    script = b"""
import os, signal, sys, time
from pathlib import Path
def stop(*_):
    Path(os.environ["EM_CHECKPOINT_DIR"], "at-stop").write_text("kept")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("Epoch 1/1000", flush=True)
signal.pause()
"""
    training = client.train(name="stopped", script={"run.py": script})
    wait_until(lambda: "Epoch 1" in "".join(training.logs()), what="its first line")
    training.stop()
    wait_until(lambda: training.refresh().status.phase == "STOPPED", what="its stop")
    assert [file["path"] for file in training.status.outputs["checkpoint_files"]] == ["at-stop"]
