"""Code that the platform fetches by itself: on its way, cut off, changed or deleted meanwhile, and gone wrong."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orrery import Client
from orrery.client.builtin import Algorithm
from orrery.client.failures import RunFailed
from orrery.errors import Invalid, WrongPhase
from orrery.testing.archives import ArchiveServer, make_tar, make_zip
from orrery.testing.platform import RunningPlatform
from orrery.testing.waiting import wait_until

TRAIN = """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--trees", type=int, default=3)
print(f"score={parser.parse_args().trees}")
"""
CODE = {"train.py": TRAIN}


@pytest.fixture(scope="module")
def server() -> Iterator[ArchiveServer]:
    with ArchiveServer() as running:
        yield running


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, server: ArchiveServer) -> Iterator[RunningPlatform]:
    environment = {
        "ORRERY_SOURCES__PRIVATE_HOSTS": f'["{server.host}"]',
        "ORRERY_SOURCES__INSECURE_HOSTS": f'["{server.host}"]',
    }
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment=environment) as running:
        yield running


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


@pytest.fixture
def name() -> str:
    return f"forest-{secrets.token_hex(4)}"


def begin(client: Client, server: ArchiveServer, name: str, content: bytes | None = None) -> Algorithm:
    """An algorithm whose archive the server does not give before it is released."""
    url = server.hold(f"/{name}.zip", content or make_zip(CODE))
    made = client.algorithms.create(name, archive=url, metrics={"score": r"score=(\d+)"}, wait=False)
    server.wait_until_asked(f"/{name}.zip")
    return made


def files_of(algorithm: Algorithm) -> list[str]:
    return [file["path"] for file in algorithm.refresh().spec["files"]]


def test_a_slow_server_holds_no_request_and_no_reconciler(client: Client, server: ArchiveServer, name: str) -> None:
    made = begin(client, server, name)
    assert (made.status.phase, made.status.state, files_of(made)) == ("FETCH_IN_PROGRESS", "Pending", [])
    others = [begin(client, server, f"{name}-{number}") for number in range(2)]
    # more than are fetched at once, and than the reconciler has threads
    waiting = [
        client.algorithms.create(f"{name}-more-{n}", archive=server.url + f"/{name}.zip", wait=False) for n in range(4)
    ]
    wait_until(
        lambda: "waits for other fetches" in str(waiting[-1].refresh().document["status"]["progress"]),
        what="the last waits for the others",
    )
    uploaded = client.algorithms.create(f"{name}-uploaded", {"train.py": b"print('score=1')"})
    assert client.train(uploaded, name=name, wait=True, progress=False).status.phase == "COMPLETE"
    with pytest.raises(Invalid, match="is still being fetched; try again once it is active"):
        client.train(made, name=f"{name}-early")
    server.release()
    for algorithm in (made, *others, *waiting):
        assert algorithm.wait().status.phase == "ACTIVE"
    assert made.spec["entry_point"] == "train.py" and list(made.parameters_schema["properties"]) == ["trees"]
    assert made.spec["commit"] == hashlib.sha256(make_zip(CODE)).hexdigest() and made.status.outputs["fetched_at"]
    assert client.train(made, name=f"{name}-2", wait=True, progress=False, parameters={"trees": 7}).metrics == {
        "score": 7
    }


def test_a_killed_platform_takes_it_up_again(
    platform: RunningPlatform, client: Client, server: ArchiveServer, name: str
) -> None:
    begin(client, server, name)
    platform.kill()
    platform.start()
    server.wait_until_asked(f"/{name}.zip", times=2)
    server.release()
    with Client(platform.announcement["url"], platform.announcement["token"]) as after:
        assert files_of(after.algorithms.get(name).wait()) == ["train.py"]


def test_what_is_changed_meanwhile_stays_changed(client: Client, server: ArchiveServer, name: str) -> None:
    made = begin(client, server, name)
    made.update(title="Forest", description="of trees")
    server.release()
    made.wait()
    assert (made.spec["title"], made.document["description"], files_of(made)) == ("Forest", "of trees", ["train.py"])
    assert server.asked.count((f"/{name}.zip", None)) == 1


def test_another_source_meanwhile_is_the_one_that_counts(client: Client, server: ArchiveServer, name: str) -> None:
    made = begin(client, server, name)
    other = server.give(f"/{name}-other.tar.gz", make_tar({"other.py": "print(1)"}))
    made.update(source={"type": "archive", "url": other})
    assert files_of(made.wait()) == ["other.py"]
    server.release()
    # the first one's answer comes to nobody
    assert files_of(client.algorithms.get(name).fetch()) == ["other.py"]


def test_files_that_are_uploaded_meanwhile_end_it(client: Client, server: ArchiveServer, name: str) -> None:
    made = begin(client, server, name)
    put = client.algorithms.put(name, {"own.py": b"print(1)"})
    assert (put.status.phase, put.spec["source"], put.spec["commit"], files_of(put)) == ("ACTIVE", None, "", ["own.py"])
    server.release()
    with pytest.raises(Invalid, match="was uploaded; send its files again"):
        made.fetch()
    assert files_of(made) == ["own.py"]


def test_deleted_meanwhile_it_stays_deleted_and_is_fetched_when_it_is_restored(
    client: Client, server: ArchiveServer, name: str
) -> None:
    made = begin(client, server, name)
    made.delete()
    server.release()
    server.hold(f"/{name}.zip", make_zip(CODE))
    assert made.refresh().is_deleted and made.spec["files"] == []
    made.restore()
    server.wait_until_asked(f"/{name}.zip", times=2)
    server.release()
    assert files_of(made.wait()) == ["train.py"]


def test_what_went_wrong_is_said_and_tried_again(client: Client, server: ArchiveServer, name: str) -> None:
    url = f"{server.url}/{name}.zip"
    with pytest.raises(RunFailed, match=r"there is nothing at .* \(404\); check the address"):
        client.algorithms.create(name, archive=url)
    made = client.algorithms.get(name)
    assert (made.status.phase, made.status.reason) == ("FETCH_FAILED", "fetch_refused")
    with pytest.raises(Invalid, match=r"has no code: there is nothing at .*; mend its source and try again"):
        client.train(made, name=name)
    with pytest.raises(WrongPhase, match="possible in ACTIVE"):
        made.act("fetch")
    server.give(f"/{name}.zip", make_zip({"a.py": "", "b.py": ""}))
    with pytest.raises(RunFailed, match="which of the files is run"):
        made.fetch()
    assert files_of(made.update(entry_point="b.py").wait()) == ["a.py", "b.py"]

    # fetching again that goes wrong takes nothing away
    server.answers[f"/{name}.zip"] = (503, {}, b"")
    with pytest.raises(RunFailed, match=r"could not be fetched again, and stays as it was: .* answered 503"):
        made.fetch()
    assert made.status.phase == "ACTIVE" and files_of(made) == ["a.py", "b.py"]
    server.give(f"/{name}.zip", make_zip({"b.py": "print('score=5')"}))
    assert made.fetch().status.reason == "" and files_of(made) == ["b.py"]


def test_what_can_be_told_at_once_is_refused_at_once(platform: RunningPlatform, server: ArchiveServer) -> None:
    refusals: list[tuple[dict[str, Any], str, str]] = [
        ({"type": "archive", "url": "http://example.org/x.zip"}, "spec.source", "only https is"),
        ({"type": "archive", "url": "https://ann:x@example.org/x.zip"}, "spec.source.url", "of the form"),
        ({"type": "archive", "url": "https://example.org/x.zip", "sha256": "12"}, "spec.source.sha256", "of the form"),
        ({"type": "archive", "url": "https://example.org/x.zip", "path": "../x"}, "spec.source.path", "without '..'"),
        ({"type": "archive"}, "spec.source.url", "is needed"),
        ({"type": "ftp", "url": "ftp://x"}, "spec.source", "'git', 'archive', 'dataset', 'storage'"),
        ({"type": "dataset", "dataset": "absent"}, "spec.source.dataset", "does not exist"),
        ({"type": "archive", "url": "https://x.org/x", "secret": "no"}, "spec.source.secret", "has no secret 'no'"),
        # as it was written before there were several
        ({"url": "http://example.org/x.git"}, "spec.source", "http:// is not allowed for sources"),
        ({"revision": "x"}, "spec.source.url", "is needed"),
    ]
    with platform.client() as http:
        for source, path, message in refusals:
            answer = http.post("algorithms", json={"name": "refused", "spec": {"source": source}})
            assert answer.status_code == 422, source
            field = answer.json()["error"]["details"]["fields"][0]
            assert field["path"] == path and message in field["message"], field


def test_a_dry_run_asks_nobody(platform: RunningPlatform, server: ArchiveServer, name: str) -> None:
    url = server.give(f"/{name}.zip", make_zip(CODE))
    document = {"name": name, "spec": {"source": {"type": "archive", "url": url}}}
    with platform.client() as http:
        assert http.post("algorithms", params={"dry_run": 1}, json=document).status_code == 200
        assert http.get(f"algorithms/{name}").status_code == 404
    assert all(path != f"/{name}.zip" for path, _ in server.asked)


def test_an_archive_with_a_token(client: Client, server: ArchiveServer, name: str) -> None:
    url = server.give(f"/{name}.zip", make_zip(CODE))
    client.secrets.set(name, "its-own-token")
    client.algorithms.create(name, archive={"url": url, "secret": name})
    assert server.asked[-1] == (f"/{name}.zip", "Bearer its-own-token")


def test_files_of_a_published_dataset(client: Client, name: str, tmp_path: Path) -> None:
    (tmp_path / "code" / "src").mkdir(parents=True)
    (tmp_path / "code" / "src" / "train.py").write_text(CODE["train.py"])
    (tmp_path / "code" / "README.md").write_text("x")
    dataset = client.datasets.create(name, tmp_path / "code", type="text", publish=True)
    made = client.algorithms.create(name, dataset={"dataset": f"{name}@1", "path": "src"})
    assert files_of(made) == ["train.py"]
    version = client.dataset_versions.get(f"{name}@1")
    assert made.spec["source"] == {"type": "dataset", "dataset": version.id, "path": "src"}
    assert [one["kind"] for one in version.dependents()] == ["algorithm"]
    assert client.train(made, name=name, wait=True, progress=False).status.phase == "COMPLETE"
    with pytest.raises(RunFailed, match="there is no folder 'absent' in dataset-version"):
        client.algorithms.create(f"{name}-2", dataset={"dataset": name, "path": "absent"})
    assert dataset.latest_version == 1
    version.act("archive")
    with pytest.raises(Invalid, match="is archived; choose another version"):
        client.algorithms.create(f"{name}-3", dataset=f"{name}@1")


def test_the_command_line(platform: RunningPlatform, server: ArchiveServer, name: str, tmp_path: Path) -> None:
    content = make_tar({f"{name}-1.0/src/{path}": text for path, text in CODE.items()})
    url = server.give(f"/{name}.tar.gz", content)
    digest = hashlib.sha256(content).hexdigest()
    done = platform.cli("algorithm", "create", name, "--archive", url, "--sha256", digest, "--path", "src")
    assert done.returncode == 0, done.stderr
    assert "its code is being fetched" in done.stderr
    assert f"{name} is ready: it runs train.py" in done.stderr and "it takes trees" in done.stderr
    wrong = platform.cli("algorithm", "create", f"{name}-2", "--archive", url, "--sha256", "0" * 64)
    assert wrong.returncode != 0 and "it is not the archive that was meant" in wrong.stderr
    (tmp_path / "train.py").write_text(CODE["train.py"])
    assert platform.cli("dataset", "create", name, str(tmp_path), "--type", "text", "--publish").returncode == 0
    begun = platform.cli("algorithm", "create", f"{name}-3", "--from-dataset", name, "--no-wait")
    assert begun.returncode == 0 and "orrery wait algorithm" in begun.stderr, begun.stderr
    assert platform.cli("wait", "algorithm", f"{name}-3").returncode == 0
    for options, message in (
        (("--archive", url, "--git", url), "where is the code? give one of: files, --git URL"),
        (("--archive", url, "--revision", "v1"), "--revision says nothing"),
        (("--from-dataset", name, "--secret", "x"), "--secret says nothing"),
    ):
        refused = platform.cli("algorithm", "create", "refused", *options)
        assert refused.returncode != 0 and message in refused.stderr
