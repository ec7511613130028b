"""Storage outside the platform: code, checkpoints and results by the addresses that an administrator has set up."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from orrery import Client
from orrery.client.builtin import Training
from orrery.client.failures import RunFailed
from orrery.errors import Invalid
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until

#: goes on from a checkpoint, saves one, a model and a report
TRAIN = """
import os, pathlib, argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("--end", default="well")
end = parser.parse_args().end
given = os.environ["EM_CHECKPOINT_INPUT_DIR"]
epoch = int((pathlib.Path(given) / "epoch.txt").read_text()) if given else 0
checkpoints = pathlib.Path(os.environ["EM_CHECKPOINT_DIR"])
checkpoints.mkdir(parents=True, exist_ok=True)
(checkpoints / "epoch.txt").write_text(str(epoch + 1))
print(f"epoch={epoch + 1}", flush=True)
if end == "badly":
    raise SystemExit("it went wrong")
while end == "never":
    time.sleep(0.05)
for folder, name in (("EM_MODEL_DIR", "weights.bin"), ("EM_OUTPUT_DIR", "report/summary.txt")):
    path = pathlib.Path(os.environ[folder]) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{folder} after {epoch + 1}")
"""


@pytest.fixture(scope="module")
def nas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nas")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, nas: Path) -> Iterator[RunningPlatform]:
    for name in ("projects", "archive"):
        (nas / name).mkdir()
    storages = {
        "nas://projects:/": {"url": f"file://{nas}/projects"},
        "nas://archive:/": {"url": f"file://{nas}/archive", "read_only": True},
        "nas://gone:/": {"url": f"file://{nas}/gone"},
    }
    environment = {"ORRERY_STORAGES": json.dumps(storages)}
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"run-{secrets.token_hex(4)}"


@pytest.fixture(scope="module")
def algorithm(client: Client, nas: Path) -> str:
    """Its code is taken from the storage itself."""
    folder = nas / "projects" / "code"
    folder.mkdir(parents=True)
    (folder / "train.py").write_text(TRAIN)
    (folder / "lib").mkdir()
    (folder / "lib" / "more.py").write_text("")
    made = client.algorithms.create(
        "from-nas", uri="nas://projects:/code", entry_point="train.py", metrics={"epoch": r"epoch=(\d+)"}
    )
    assert [file["path"] for file in made.spec["files"]] == ["lib/more.py", "train.py"]
    assert made.spec["entry_point"] == "train.py"
    return made.name


def fields_of(raised: pytest.ExceptionInfo[Invalid]) -> list[str]:
    return [field["path"] for field in cast("list[dict[str, str]]", raised.value.details["fields"])]


def written(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_results_and_checkpoints_are_copied_and_gone_on_from(
    client: Client, nas: Path, algorithm: str, name: str
) -> None:
    first = client.trainings.create(
        name, algorithm=algorithm, output="nas://projects:/out/", output_checkpoint="nas://projects:/checkpoints"
    ).wait()
    out = written(nas / "projects" / "out" / first.id)
    assert out == {"model/weights.bin": "EM_MODEL_DIR after 1", "output/report/summary.txt": "EM_OUTPUT_DIR after 1"}
    assert written(nas / "projects" / "checkpoints" / first.id) == {"epoch.txt": "1"}
    copied = first.status.outputs["copied"]
    assert [(copy["uri"], copy["files"]) for copy in copied] == [
        (f"nas://projects:/checkpoints/{first.id}", 1),
        (f"nas://projects:/out/{first.id}", 2),
    ]
    second = client.trainings.create(
        f"{name}-2", algorithm=algorithm, input_checkpoint=f"nas://projects:/checkpoints/{first.id}"
    ).wait()
    assert "epoch=2" in second.logs()


def test_the_checkpoints_of_a_failed_run_are_copied(client: Client, nas: Path, algorithm: str, name: str) -> None:
    with pytest.raises(RunFailed):
        client.trainings.create(
            name,
            algorithm=algorithm,
            parameters={"end": "badly"},
            output="nas://projects:/out",
            output_checkpoint="nas://projects:/checkpoints",
        ).wait()
    failed = client.trainings.get(name)
    assert failed.status.phase == "FAIL_TRAIN"
    assert written(nas / "projects" / "checkpoints" / failed.id) == {"epoch.txt": "1"}


def test_the_checkpoints_of_a_stopped_run_are_copied_and_its_own_are_resumed(
    client: Client, nas: Path, algorithm: str, name: str
) -> None:
    write(nas / "projects" / "begin" / "epoch.txt", "5")
    training = client.trainings.create(
        name,
        algorithm=algorithm,
        parameters={"end": "never"},
        input_checkpoint="nas://projects:/begin",
        output_checkpoint="nas://projects:/checkpoints",
    )
    wait_until(lambda: "epoch=6" in training.logs())
    training.stop()
    wait_until(lambda: training.refresh().status.phase == "STOPPED")
    kept = nas / "projects" / "checkpoints" / training.id
    assert written(kept) == {"epoch.txt": "6"}
    training.act("resume")
    wait_until(lambda: "epoch=7" in training.logs())
    training.stop()
    wait_until(lambda: training.refresh().status.phase == "STOPPED")
    assert written(kept) == {"epoch.txt": "7"}


def test_a_storage_that_is_gone_costs_the_copy_and_not_the_run(client: Client, algorithm: str, name: str) -> None:
    training = client.trainings.create(name, algorithm=algorithm, output="nas://gone:/out").wait()
    assert training.status.phase == "COMPLETE"
    assert "not copied" in training.status.message and "download" in training.status.message
    assert training.status.outputs["model"]


def test_an_input_checkpoint_that_is_not_there_refuses_the_run(client: Client, algorithm: str, name: str) -> None:
    with pytest.raises(RunFailed, match="no files in nas://projects:/nothing"):
        client.trainings.create(name, algorithm=algorithm, input_checkpoint="nas://projects:/nothing").wait()
    assert client.trainings.get(name).status.phase == "CREATE_FAILED"


def test_an_input_checkpoint_larger_than_the_data_storage_refuses_the_run(
    client: Client, nas: Path, algorithm: str, name: str
) -> None:
    write(nas / "projects" / "large" / "epoch.txt", "1" * (2 << 20))
    with pytest.raises(RunFailed, match="more than 1 MiB"):
        client.trainings.create(
            name, algorithm=algorithm, input_checkpoint="nas://projects:/large", data_gib=1 / 1024
        ).wait()


def test_a_link_out_of_a_storage_is_not_followed(client: Client, nas: Path, algorithm: str, name: str) -> None:
    outside = nas / "outside"
    write(outside / "epoch.txt", "41")
    os.symlink(outside, nas / "projects" / "way-out")
    with pytest.raises(RunFailed):
        client.trainings.create(name, algorithm=algorithm, input_checkpoint="nas://projects:/way-out").wait()
    training: Training = client.trainings.create(
        f"{name}-2", algorithm=algorithm, output="nas://projects:/way-out/x"
    ).wait()
    assert "not copied" in training.status.message
    assert written(outside) == {"epoch.txt": "41"}


@pytest.mark.parametrize(
    ("field", "uri", "says"),
    [
        ("output", "obs://bucket/folder", "no storage that is set up here"),
        ("output", "nas://archive:/x", "only be read from"),
        ("output", "nas://projects:/../etc", "leads out of its storage"),
        ("output", "nas://projects:/a::file:///etc", "leads out of its storage"),
        ("output_checkpoint", "file:///etc", "no storage that is set up here"),
        ("output_checkpoint", "/etc", "no folder in a storage"),
        ("output_checkpoint", "obs://me:pw@host/x", "log-in"),
    ],
)
def test_what_is_no_folder_of_ones_own_is_refused_before_anything_is_done(
    client: Client, algorithm: str, name: str, field: str, uri: str, says: str
) -> None:
    with pytest.raises(Invalid, match=says) as raised:
        client.trainings.create(name, algorithm=algorithm, **cast("dict[str, Any]", {field: uri}))
    assert fields_of(raised) == [f"spec.{field}"]


def test_code_in_a_folder_that_is_not_there_is_said(client: Client, name: str) -> None:
    with pytest.raises(RunFailed, match="no files in nas://projects:/nowhere"):
        client.algorithms.create(name, uri="nas://projects:/nowhere")


def test_a_run_that_outgrows_its_data_storage_is_ended(client: Client, name: str, tmp_path: Path) -> None:
    script = "import time\nopen('much', 'wb').write(bytes(range(256)) * 20000)\ntime.sleep(60)\n"
    (tmp_path / "train.py").write_text(script)
    with pytest.raises(RunFailed, match="data_gib"):
        client.train(script=tmp_path, name=name, data_gib=2 / 1024).wait()
