"""`orrery export` and `orrery apply` against a real platform."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orrery.testing.platform import RunningPlatform, create_dataset, put_object, wait_settled
from orrery.testing.waiting import wait_until

CSV = b"width,height,species\n" + b"".join(b"%d,%d,%s\n" % (i % 7, i % 5, b"ab"[i % 2 : i % 2 + 1]) for i in range(200))
PROJECT = """\
apiVersion: orrery/v1
kind: training
name: applied
spec:
  algorithm: xgboost
  datasets: {train: iris}
  experiment: trees
  parameters: {target: species, rounds: 4}
---
kind: experiment
name: trees
description: all of the trees
---
kind: template
name: quick
tags: [small]
spec:
  algorithm: xgboost
  parameters: {max_depth: 3}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with RunningPlatform(tmp_path_factory.mktemp("home")) as running:
        with running.client("alice") as client:
            create_dataset(client, "iris", CSV)
        yield running


@pytest.fixture
def alice(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client("alice") as client:
        yield client


def test_a_file_is_applied_in_the_order_it_needs_and_again_without_a_change(
    platform: RunningPlatform, alice: httpx.Client, tmp_path: Path
) -> None:
    file = tmp_path / "project.yaml"
    file.write_text(PROJECT)
    dry = platform.cli("apply", "-f", str(file), "--dry-run", user="alice")
    assert dry.returncode == 0, dry.stderr
    assert dry.stderr.splitlines() == [
        "experiment trees would be created",
        "template quick would be created",
        "training applied would be created",
    ]
    assert alice.get("experiments/trees").status_code == 404
    done = platform.cli("apply", "-f", str(file), user="alice")
    assert done.returncode == 0, done.stderr
    training = wait_settled(alice, "trainings", "applied")
    assert training["status"]["phase"] == "COMPLETE"
    assert training["spec"]["experiment"] == alice.get("experiments/trees").json()["id"]
    # a newer version of the dataset makes no difference to what is pinned
    stored = put_object(alice, CSV + b"1,1,a\n")
    files = [{"path": "data.csv", "oid": stored["oid"], "size": stored["size"]}]
    alice.patch("datasets/iris", json={"spec": {"files": files}}).raise_for_status()
    wait_settled(alice, "datasets", "iris")
    wait_until(lambda: alice.get("dataset-versions/iris").json()["version"] == 2, what="version 2")
    again = platform.cli("apply", "-f", str(file), user="alice")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("as it should be") == 3


def test_what_may_be_changed_is_changed_and_the_rest_is_refused_before_anything_is_done(
    platform: RunningPlatform, alice: httpx.Client
) -> None:
    changed = PROJECT.replace("max_depth: 3", "max_depth: 5").replace("all of the", "some of the")
    shown = platform.cli("apply", "-f", "-", "--dry-run", stdin=changed, user="alice")
    assert "template quick would be changed\n  spec.parameters.max_depth: 3 -> 5\n" in shown.stderr
    assert 'description: "all of the trees" -> "some of the trees"' in shown.stderr
    refused = platform.cli("apply", "-f", "-", stdin=changed.replace("rounds: 4", "rounds: 9"), user="alice")
    assert refused.returncode == 2
    assert "training applied is there, and spec.parameters.rounds: 4 -> 9: that cannot be changed" in refused.stderr
    assert alice.get("templates/quick").json()["spec"]["parameters"] == {"max_depth": 3}
    applied = platform.cli("apply", "-f", "-", stdin=changed, user="alice")
    assert applied.returncode == 0, applied.stderr
    assert alice.get("templates/quick").json()["spec"]["parameters"] == {"max_depth": 5}
    assert alice.get("experiments/trees").json()["description"] == "some of the trees"


def test_a_change_may_name_what_the_same_file_makes(platform: RunningPlatform, alice: httpx.Client) -> None:
    template = "kind: template\nname: moved\nspec: {algorithm: xgboost, experiment: first}\n"
    made = platform.cli("apply", "-f", "-", stdin=f"{template}---\nkind: experiment\nname: first\n", user="alice")
    assert made.returncode == 0, made.stderr
    before = alice.get("templates/moved").json()["spec"]["experiment"]
    assert before == alice.get("experiments/first").json()["id"]

    changed = f"{template.replace('first', 'second')}---\nkind: experiment\nname: second\n"
    shown = platform.cli("apply", "-f", "-", "--dry-run", stdin=changed, user="alice")
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr.splitlines() == [
        "experiment second would be created",
        "template moved would be changed",
        f'  spec.experiment: "{before}" -> "second"',
    ]
    assert alice.get("experiments/second").status_code == 404
    applied = platform.cli("apply", "-f", "-", stdin=changed, user="alice")
    assert applied.returncode == 0, applied.stderr
    after = alice.get("templates/moved").json()["spec"]["experiment"]
    assert after == alice.get("experiments/second").json()["id"]
    again = platform.cli("apply", "-f", "-", stdin=changed, user="alice")
    assert again.returncode == 0, again.stderr
    assert again.stderr.splitlines() == ["template moved as it should be", "experiment second as it should be"]

    # what cannot be changed at all is told as that, not as a name that is missing
    run = "kind: training\nname: stays\nspec:\n  algorithm: xgboost\n  datasets: {train: iris}\n  experiment: second\n"
    made = platform.cli("apply", "-f", "-", stdin=run, user="alice")
    assert made.returncode == 0, made.stderr
    third = f"{run.replace('second', 'third')}---\nkind: experiment\nname: third\n"
    refused = platform.cli("apply", "-f", "-", stdin=third, user="alice")
    assert refused.returncode == 2
    assert '-> "third": that cannot be changed of a training' in refused.stderr
    assert alice.get("experiments/third").status_code == 404
    # and a name that nothing makes is still missing
    missing = platform.cli("apply", "-f", "-", stdin=template.replace("first", "nowhere"), user="alice")
    assert missing.returncode != 0
    assert "nowhere" in missing.stderr


def test_a_document_that_is_wrong_keeps_the_others_from_being_made(
    platform: RunningPlatform, alice: httpx.Client
) -> None:
    text = PROJECT.replace("trees", "others").replace("name: applied", "name: never").replace("rounds: 4", "rounds: x")
    answer = platform.cli("apply", "-f", "-", stdin=text.replace("  experiment: others\n", ""), user="alice")
    assert answer.returncode == 2, answer.stderr
    assert "line 7: training never: " in answer.stderr
    assert "rounds" in answer.stderr
    assert alice.get("experiments/others").status_code == 404


SECRETIVE = """\
kind: experiment
name: sealed
---
kind: training
name: with-secret
spec:
  algorithm: xgboost
  datasets: {train: iris}
  experiment: sealed
  parameters: {target: species, rounds: 4}
  secrets: {HF_TOKEN: mysecret}
"""


def test_a_secret_that_is_not_there_keeps_all_documents_from_being_made(
    platform: RunningPlatform, alice: httpx.Client
) -> None:
    for options in (["--dry-run"], []):
        refused = platform.cli("apply", "-f", "-", *options, stdin=SECRETIVE, user="alice")
        assert refused.returncode == 2, refused.stderr
        assert "line 11: training with-secret: alice has no secret 'mysecret'; make it under Secrets" in refused.stderr
    assert alice.get("experiments/sealed").status_code == 404
    own = "---\nkind: secret\nname: mysecret\nspec: {value: hunter-2}\n"
    beside = platform.cli("apply", "-f", "-", "--dry-run", stdin=SECRETIVE + own, user="alice")
    assert beside.returncode == 0, beside.stderr
    assert platform.cli("secret", "set", "mysecret", stdin="hunter-2", user="alice").returncode == 0
    done = platform.cli("apply", "-f", "-", stdin=SECRETIVE, user="alice")
    assert done.returncode == 0, done.stderr


def test_what_is_exported_names_what_it_refers_to_and_can_be_applied(
    platform: RunningPlatform, alice: httpx.Client
) -> None:
    wait_settled(alice, "trainings", "applied")
    exported = platform.cli("export", "training", "applied", user="alice")
    assert exported.returncode == 0, exported.stderr
    assert "algorithm: orrery/xgboost" in exported.stdout
    assert "train: iris@1" in exported.stdout
    assert "experiment: trees" in exported.stdout
    same = platform.cli("apply", "-f", "-", stdin=exported.stdout, user="alice")
    assert same.stderr == "training applied as it should be\n"
    copied = platform.cli(
        "apply", "-f", "-", stdin=exported.stdout.replace("name: applied", "name: copied"), user="alice"
    )
    assert copied.stderr == "training copied created\n"
    assert wait_settled(alice, "trainings", "copied")["status"]["phase"] == "COMPLETE"
    assert "made by the platform" in platform.cli("export", "dataset-version", "iris", user="alice").stderr


CODE = """\
import argparse
parser = argparse.ArgumentParser()
parser.add_argument('--trees', type=int)
parser.parse_args()
"""


def test_an_algorithm_and_a_dataset_move_to_another_platform_with_their_files(
    platform: RunningPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "forest"
    code.mkdir()
    (code / "train.py").write_text(CODE)
    (code / "helper.py").write_bytes("x = 'Größe'\r\n".encode())
    made = platform.cli("algorithm", "create", "forest", str(code), "--entry", "train.py", user="alice")
    assert made.returncode == 0, made.stderr
    exported = platform.cli("export", "algorithm", "forest", user="alice")
    assert exported.returncode == 0, exported.stderr
    assert "oid" not in exported.stdout and "parser.add_argument('--trees', type=int)" in exported.stdout
    same = tmp_path / "forest.yaml"
    same.write_text(exported.stdout, newline="")
    again = platform.cli("apply", "-f", str(same), user="alice")
    assert again.stderr.splitlines() == ["algorithm forest as it should be"]
    monkeypatch.chdir(tmp_path)
    with_data = platform.cli("export", "dataset", "iris", "--files", "files", user="alice")
    assert with_data.returncode == 0, with_data.stderr
    with platform.client("alice") as here:
        content = here.get("datasets/iris/files/data.csv").content
    assert (tmp_path / "files" / "dataset" / "iris" / "data.csv").read_bytes() == content
    (tmp_path / "data.yaml").write_text(with_data.stdout)
    with RunningPlatform(tmp_path / "other") as other:
        for file in ("forest.yaml", "data.yaml"):
            applied = other.cli("apply", "-f", str(tmp_path / file))
            assert applied.returncode == 0, applied.stderr
        with other.client() as there, platform.client("alice") as here:
            for path in ("train.py", "helper.py"):
                address = f"algorithms/forest/files/{path}"
                assert there.get(address).content == here.get(address).content
            assert list(there.get("algorithms/forest").json()["spec"]["parameters_schema"]["properties"]) == ["trees"]
            assert wait_settled(there, "datasets", "iris")["status"]["phase"] == "READY"
            spec = {"algorithm": "forest", "parameters": {"trees": 3}, "register_model": False}
            there.post("trainings", json={"name": "one", "spec": spec}).raise_for_status()
            assert wait_settled(there, "trainings", "one")["status"]["phase"] == "COMPLETE"


def test_files_that_are_no_text_need_a_folder_and_a_document_reads_nothing_outside_its_own(
    platform: RunningPlatform, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "run.py").write_text("print(1)\n")
    (tmp_path / "code" / "weights.bin").write_bytes(b"\xff\x00\xfe")
    made = platform.cli("algorithm", "create", "binary", str(tmp_path / "code"), "--entry", "run.py", user="alice")
    assert made.returncode == 0, made.stderr
    refused = platform.cli("export", "algorithm", "binary", user="alice")
    assert refused.returncode == 2
    assert "a file 'weights.bin' that is no text" in refused.stderr and "--files files" in refused.stderr
    (tmp_path / "inner").mkdir()
    for source, said in (("../code/run.py", "leads out of the document's folder"), ("gone.py", "there is no file")):
        document = f"kind: algorithm\nname: stolen\nspec:\n  files: [{{path: run.py, from: {source}}}]\n"
        (tmp_path / "inner" / "it.yaml").write_text(document)
        refused = platform.cli("apply", "-f", str(tmp_path / "inner" / "it.yaml"), user="alice")
        assert refused.returncode == 2 and said in refused.stderr, refused.stderr
    piped = platform.cli("apply", "-f", "-", stdin=document, user="alice")
    assert piped.returncode == 2 and "apply it with `orrery apply -f FILE`" in piped.stderr
