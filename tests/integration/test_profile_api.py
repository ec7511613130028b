"""Profiles on a real platform: made when files are read, kept with the version, hidden from strangers."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import orrery
from orrery.errors import NotFound
from orrery.testing.platform import RunningPlatform, create_dataset, put_object, wait_settled

CSV = b"width,height,species\n" + b"".join(
    b"%d,%d.5,%s\n" % (i % 7, i % 5, b"ab"[i % 2 : i % 2 + 1]) for i in range(60)
)


@pytest.fixture
def platform(home: Path) -> Iterator[RunningPlatform]:
    with RunningPlatform(home) as running:
        yield running


def forget_profiles(home: Path) -> None:
    """The database as it was before profiles existed."""
    with sqlite3.connect(home / "orrery.db") as connection:
        for id_, spec, outputs in connection.execute("SELECT id, spec, outputs FROM resources").fetchall():
            documents = [json.loads(spec), json.loads(outputs)]
            for document in documents:
                (document.get("content") or {}).pop("profile", None)
            values = [json.dumps(document) for document in documents]
            connection.execute("UPDATE resources SET spec = ?, outputs = ? WHERE id = ?", [*values, id_])
    connection.close()


def test_a_profile_is_made_once_kept_with_the_version_and_made_anew_on_request(
    platform: RunningPlatform, home: Path
) -> None:
    with platform.client("alice") as alice, platform.client("bob") as bob:
        dataset = create_dataset(alice, "shapes", CSV)
        version = alice.get("dataset-versions/shapes").json()
        addresses = [f"datasets/{dataset['id']}/profile", f"dataset-versions/{version['id']}/profile"]
        answers = [alice.get(address) for address in addresses]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].content == answers[1].content
        profile = answers[0].json()
        assert (profile["type"], profile["rows"], len(profile["columns"])) == ("tabular", 60, 3)
        assert profile["columns"][2]["top"] == [{"value": "a", "count": 30}, {"value": "b", "count": 30}]

        for address in addresses:
            hidden = bob.get(address)
            assert (hidden.status_code, hidden.json()["error"]["code"]) == (404, "not_found")
        alice.patch(f"dataset-versions/{version['id']}", json={"visibility": "public"})
        assert bob.get(addresses[1]).status_code == 200
        assert bob.get(addresses[0]).status_code == 404

        # new files: the version keeps its own profile
        files = [{"path": "data.csv", **{key: put_object(alice, CSV + b"9,9.5,c\n")[key] for key in ("oid", "size")}}]
        alice.patch(f"datasets/{dataset['id']}", json={"spec": {"files": files, "publish": False}})
        wait_settled(alice, "datasets", dataset["id"])
        assert [alice.get(address).json()["rows"] for address in addresses] == [61, 60]

    platform.stop()
    forget_profiles(home)
    platform.start()
    with platform.client("alice") as alice:
        said = [alice.get(address).json()["error"]["message"] for address in addresses]
        assert "`orrery retry dataset shapes`" in said[0]
        assert "publish a new version" in said[1]
        old = [{"path": "data.csv", **{key: version["spec"]["files"][0][key] for key in ("oid", "size")}}]
        alice.patch(f"datasets/{dataset['id']}", json={"spec": {"files": old}})
        wait_settled(alice, "datasets", dataset["id"])
        assert alice.post(f"datasets/{dataset['id']}/retry").status_code == 200
        wait_settled(alice, "datasets", dataset["id"])
        assert [alice.get(address).json()["rows"] for address in addresses] == [60, 60]


def test_data_of_another_type_says_that_it_has_no_profile(platform: RunningPlatform) -> None:
    with platform.client("alice") as alice:
        files = [{"path": "a.txt", **{key: put_object(alice, b"hello")[key] for key in ("oid", "size")}}]
        made = alice.post("datasets", json={"name": "words", "spec": {"type": "text", "files": files}}).json()
        wait_settled(alice, "datasets", made["id"])
        answer = alice.get(f"datasets/{made['id']}/profile")
        assert answer.status_code == 404
        assert "only tables have one so far" in answer.json()["error"]["message"]


def orrery_cli(platform: RunningPlatform, *words: str) -> str:
    environment = {**os.environ, "ORRERY_URL": platform.url, "ORRERY_TOKEN": platform.announcement["token"]}
    command = [sys.executable, "-m", "orrery", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_sdk_and_the_cli_show_it(platform: RunningPlatform) -> None:
    with orrery.Client(platform.url, platform.announcement["token"]) as client:
        made = client.datasets.create("shapes", {"data.csv": CSV}, publish=True, progress=False)
        assert client.datasets.profile("shapes") == made.profile() == client.datasets.profile("shapes@1")
        with pytest.raises(NotFound):
            client.datasets.profile("shapez")
    shown = orrery_cli(platform, "dataset", "profile", "shapes")
    assert "shapes: 60 rows, 3 columns, 0 missing values, 0 duplicate rows" in shown
    assert "60 rows are few to learn from" in shown
    assert json.loads(orrery_cli(platform, "dataset", "profile", "shapes@1", "-o", "json"))["rows"] == 60
