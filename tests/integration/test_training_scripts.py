"""Scripts that administrators put into a folder: algorithms of everybody, by the type of model that they train."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orrery import Client
from orrery.errors import Invalid, NotFound
from orrery.testing.platform import RunningPlatform

TRAIN = """
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--config", required=True)
parser.add_argument("--rounds", type=int, default=4, help="how often")
arguments = parser.parse_args()
config = json.loads(pathlib.Path(arguments.config).read_text())
for epoch in range(1, config["rounds"] + 1):
    print(json.dumps({"epoch": epoch, "epochs": config["rounds"], "loss": 1 / epoch}), flush=True)
(pathlib.Path(config["model_dir"]) / "model.safetensors").write_bytes(b"weights")
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")

    def write(path: str, text: str) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)

    write("nlp-ner/tagger/train.py", TRAIN)
    write("nlp-ner/tagger/README.md", "# Finds names in text\n\nMore of it.\n")
    write("NLP_NER/.hidden/train.py", TRAIN)
    write("cooking/soup/train.py", TRAIN)
    write("llm/two/one.py", "")
    write("llm/two/other.py", "")
    write("llm/xgboost/train.py", TRAIN)
    write("llm/linked/train.py", TRAIN)
    os.symlink("/etc/hostname", folder / "llm" / "linked" / "secret.txt")
    return folder


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, scripts: Path) -> Iterator[RunningPlatform]:
    environment = {"ORRERY_TRAINING_SCRIPTS": str(scripts)}
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


def test_a_folder_is_an_algorithm_of_its_model_type(client: Client) -> None:
    tagger = client.algorithms.get("orrery/tagger")
    assert (tagger.spec["model_type"], tagger.spec["entry_point"]) == ("NLP_NER", "train.py")
    assert tagger.description == "Finds names in text"
    assert tagger.document["visibility"] == "public"
    assert sorted(tagger.parameters_schema["properties"]) == ["config", "rounds"]


def test_what_cannot_be_one_is_left_out_and_links_are_not_followed(client: Client) -> None:
    names = {algorithm.name for algorithm in client.algorithms.list() if algorithm.document["owner"] == "orrery"}
    assert {"tagger", "linked", "xgboost"} <= names
    assert not names & {"soup", "two", ".hidden"}
    assert client.algorithms.get("orrery/xgboost").spec["entry_point"].endswith(".ipynb")
    assert [file["path"] for file in client.algorithms.get("orrery/linked").spec["files"]] == ["train.py"]


def test_it_reads_its_configuration_and_tells_progress_and_metrics_as_json(client: Client) -> None:
    training = client.train("orrery/tagger", name="names", parameters={"rounds": 3}, wait=True)
    assert training.metrics == {"loss": pytest.approx(1 / 3)}
    assert [point.step for point in training.metrics_history()["loss"]] == [1, 2, 3]
    progress = training.status.progress
    assert progress is not None and (progress.epoch, progress.epochs) == (3, 3)
    assert training.model.wait().status.outputs["framework"] == "transformers"
    # by this Lab knows that it has no notebook to show
    assert training.refresh().status.outputs["entry_point"].endswith(".py")
    for scripted in (training, client.find("algorithm/orrery/tagger")):
        with pytest.raises(NotFound, match=r"has no notebook: it is the script '.*\.py'"):
            client.transport.json("GET", f"/{scripted.kind}s/{scripted.id}/notebook")


def test_ones_own_algorithm_has_a_model_type_too(client: Client, platform: RunningPlatform, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)")
    assert client.algorithms.create("own", tmp_path, model_type="Object Detection").spec["model_type"] == (
        "OBJECT_DETECTION"
    )
    done = platform.cli("algorithm", "create", "own-2", str(tmp_path), "--model-type", "llm")
    assert done.returncode == 0, done.stderr
    assert client.algorithms.get("own-2").spec["model_type"] == "LLM"
    with pytest.raises(Invalid, match="model type 'soup' is none of LLM, DIFFUSION"):
        client.algorithms.create("own-3", tmp_path, model_type="soup")
