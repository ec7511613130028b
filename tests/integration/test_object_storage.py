"""Object storage as storage, spoken to by S3's own protocol: moto's server answers as AWS does."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import boto3  # pyright: ignore[reportMissingTypeStubs]
import pytest
from moto.server import ThreadedMotoServer

from orrery import Client
from orrery.client.failures import RunFailed
from orrery.controllers.storage_remote import RemoteFolder
from orrery.testing.platform import RunningPlatform

KEY, SECRET = "AKIAORRERYTESTS00000", "the-secret-of-the-object-storage"
#: goes on from a checkpoint, saves one, a model and a report
TRAIN = """
import os, pathlib
given = os.environ["EM_CHECKPOINT_INPUT_DIR"]
epoch = int((pathlib.Path(given) / "epoch.txt").read_text()) if given else 0
print(f"epoch={epoch + 1}", flush=True)
for folder, name in (
    ("EM_CHECKPOINT_DIR", "epoch.txt"), ("EM_MODEL_DIR", "weights.bin"), ("EM_OUTPUT_DIR", "report/summary.txt")
):
    path = pathlib.Path(os.environ[folder]) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(epoch + 1))
"""


class Buckets:
    """A server of object storage with two buckets, `lab` and `other`."""

    def __init__(self, url: str) -> None:
        self.options = {"endpoint_url": url, "key": KEY, "secret": SECRET}
        self.s3: Any = boto3.client(  # pyright: ignore[reportUnknownMemberType]
            "s3",
            endpoint_url=url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )
        for name in ("lab", "other"):
            self.s3.create_bucket(Bucket=name)

    def put(self, key: str, content: bytes, bucket: str = "lab") -> None:
        self.s3.put_object(Bucket=bucket, Key=key, Body=content)

    def held(self, prefix: str, bucket: str = "lab") -> dict[str, bytes]:
        """The objects below a prefix, by what follows it."""
        found = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return {
            item["Key"].removeprefix(prefix): self.s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            for item in found
        }


@pytest.fixture(scope="module")
def buckets() -> Iterator[Buckets]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Buckets(f"http://{host}:{port}")
    server.stop()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, buckets: Buckets) -> Iterator[RunningPlatform]:
    storages = {
        "obs://lab/": {"url": "s3://lab/shared", "options": buckets.options},
        "obs://locked/": {"url": "s3://lab/shared", "options": buckets.options, "read_only": True},
        "obs://absent/": {"url": "s3://no-such-bucket", "options": buckets.options},
    }
    environment = {"ORRERY_STORAGES": json.dumps(storages)}
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


def test_a_run_takes_its_code_from_a_bucket_and_leaves_its_results_in_it(
    client: Client, platform: RunningPlatform, buckets: Buckets
) -> None:
    buckets.put("shared/code/train.py", TRAIN.encode())
    buckets.put("shared/code/lib/more.py", b"")
    # what some tools leave for a folder, and what lies beside the storage
    buckets.put("shared/code/empty/", b"")
    buckets.put("private/train.py", b"raise SystemExit('not this one')")
    algorithm = client.algorithms.create(
        "from-bucket", uri="obs://lab/code", entry_point="train.py", metrics={"epoch": r"epoch=(\d+)"}
    )
    assert [file["path"] for file in algorithm.spec["files"]] == ["lib/more.py", "train.py"]

    first = client.trainings.create(
        "first", algorithm=algorithm.name, output="obs://lab/out", output_checkpoint="obs://lab/checkpoints"
    ).wait()
    assert first.status.phase == "COMPLETE"
    assert buckets.held(f"shared/out/{first.id}/") == {"model/weights.bin": b"1", "output/report/summary.txt": b"1"}
    assert buckets.held(f"shared/checkpoints/{first.id}/") == {"epoch.txt": b"1"}
    second = client.trainings.create(
        "second", algorithm=algorithm.name, input_checkpoint=f"obs://lab/checkpoints/{first.id}"
    ).wait()
    assert "epoch=2" in second.logs()
    assert SECRET not in platform.log and SECRET not in str(client.trainings.get("first"))


def test_a_bucket_that_is_not_there_costs_the_copy_and_not_the_run(client: Client, buckets: Buckets) -> None:
    buckets.put("shared/code/train.py", TRAIN.encode())
    algorithm = client.algorithms.create("for-nothing", uri="obs://locked/code", entry_point="train.py")
    training = client.trainings.create("lost", algorithm=algorithm.name, output="obs://absent/out").wait()
    assert training.status.phase == "COMPLETE" and training.status.outputs["model"]
    assert "not copied" in training.status.message and SECRET not in training.status.message
    with pytest.raises(RunFailed, match="no files in obs://absent/nothing"):
        client.trainings.create("none", algorithm=algorithm.name, input_checkpoint="obs://absent/nothing").wait()


def test_a_folder_of_many_objects_and_a_large_one(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are listed page by page, and what is large goes in parts."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    folder = RemoteFolder.at("s3://other", "many", buckets.options)
    for number in range(25):
        buckets.put(f"many/{number:04}.txt", b"x", bucket="other")
    buckets.put("many-more/y.txt", b"y", bucket="other")
    listed = buckets.s3.list_objects_v2(Bucket="other", Prefix="many/")
    assert listed["IsTruncated"] and len(listed["Contents"]) == 10
    assert len(list(folder.files())) == 25
    large = b"0123456789abcdef" * (4 << 20)
    folder.write("large.bin", io.BytesIO(large))
    with folder.open("large.bin") as stream:
        assert stream.read() == large


def test_a_server_that_does_not_answer_is_told_in_words(buckets: Buckets) -> None:
    options = {
        **buckets.options,
        "endpoint_url": "http://127.0.0.1:1",
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    with pytest.raises(OSError, match=r"127\.0\.0\.1"):
        list(RemoteFolder.at("s3://lab", "x", options).files())
