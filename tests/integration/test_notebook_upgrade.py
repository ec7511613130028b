"""On a real hub: notebooks are restarted for a new version, and a notebook's volume goes when it leaves the trash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from orrery.testing.hub import Account, Hub, jupyter_hub
from orrery.testing.waiting import wait_until


@pytest.fixture(scope="module")
def upgraded_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    home = tmp_path_factory.mktemp("upgrade") / "home"
    # nothing stops by itself, and a moment without work is enough for a restart
    idle = {"server_minutes": 600, "kernel_minutes": 600, "warning_minutes": 0.05}
    settings = {"ORRERY_IDLE": json.dumps(idle), "ORRERY_TRASH_DAYS": "0.0001", "ORRERY_HOUSEKEEPING_MINUTES": "0.05"}
    with jupyter_hub(home, environment=settings) as hub:
        yield hub


def platform_of(hub: Hub, account: Account) -> httpx.Client:
    headers = {"Authorization": f"Bearer {account.make_token()}"}
    return httpx.Client(base_url=f"{hub.orrery}/api/v1/", headers=headers, timeout=30, trust_env=False)


@pytest.fixture(scope="module")
def boss(upgraded_hub: Hub) -> Iterator[httpx.Client]:
    with platform_of(upgraded_hub, upgraded_hub.sign_up("boss")) as client:
        yield client


@pytest.fixture(scope="module")
def ann(upgraded_hub: Hub) -> Iterator[httpx.Client]:
    with platform_of(upgraded_hub, upgraded_hub.sign_up("ann")) as client:
        yield client


def wait_for(client: httpx.Client, name: str, phase: str) -> Any:
    def reached() -> Any:
        seen = client.get(f"notebooks/{name}").json()
        return seen if seen["status"]["phase"] == phase else None

    return wait_until(reached, what=f"{name} is {phase}", seconds=180)


def started(client: httpx.Client, name: str) -> Any:
    answer = client.post("notebooks", json={"name": name, "spec": {}})
    assert answer.status_code == 201, answer.text
    return wait_for(client, name, "ACTIVE_HEALTHY")


def announce(boss: httpx.Client, until: timedelta) -> Any:
    body = {"message": "Python 3.13", "expires_at": (datetime.now(UTC) + until).isoformat()}
    answer = boss.put("notebook-upgrade", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def notice(client: httpx.Client, name: str) -> Any:
    return client.get(f"notebooks/{name}").json()["status"]["outputs"].get("notice")


@pytest.mark.timeout(900)
def test_notebooks_are_restarted_by_their_owner_or_later_by_the_platform(
    upgraded_hub: Hub, ann: httpx.Client, boss: httpx.Client
) -> None:
    first, second = started(ann, "first"), started(ann, "second")
    volumes = upgraded_hub.home / "users" / "ann" / "servers"
    for name in ("first", "second"):
        (volumes / name / "kept.txt").write_text(name)
    announce(boss, timedelta(days=1))
    told = wait_until(lambda: notice(ann, "first"), what="it says that it has to be restarted")
    assert (told["title"], told["message"]) == ("Restart", "Python 3.13")
    assert ann.post("notebooks/first/reboot").status_code == 200
    restarted = wait_for(ann, "first", "ACTIVE_HEALTHY")
    assert restarted["status"]["outputs"]["started_at"] > first["status"]["outputs"]["started_at"]
    assert restarted["status"]["outputs"]["notice"] is None
    assert [item["name"] for item in boss.get("notebook-upgrade").json()["items"]] == ["second"]

    # its owner did nothing: the platform does, and this one cannot start again
    (volumes / "second").rename(volumes / "away")
    (volumes / "second").write_text("no folder")
    announce(boss, timedelta(seconds=1))
    failed = wait_for(ann, "second", "REBOOT_FAILED")
    (item,) = [each for each in boss.get("notebook-upgrade").json()["items"] if each["state"] == "failed"]
    assert (item["owner"], item["name"]) == ("ann", "second") and item["message"] == failed["status"]["message"]
    (volumes / "second").unlink()
    (volumes / "away").rename(volumes / "second")
    assert ann.post("notebooks/second/reboot").status_code == 200
    again = wait_for(ann, "second", "ACTIVE_HEALTHY")
    assert again["status"]["outputs"]["started_at"] > second["status"]["outputs"]["started_at"]
    assert (volumes / "second" / "kept.txt").read_text() == "second"
    wait_until(lambda: boss.get("notebook-upgrade").json()["items"] == [], what="all have come over", seconds=180)
    assert (volumes / "first" / "kept.txt").read_text() == "first"
    assert boss.delete("notebook-upgrade").json()["upgrade"] is None


@pytest.mark.timeout(600)
def test_a_notebooks_volume_goes_when_it_leaves_the_trash(upgraded_hub: Hub, ann: httpx.Client) -> None:
    folder = upgraded_hub.home / "users" / "ann" / "servers" / "purged"
    started(ann, "purged")
    (folder / "work.txt").write_text("work")
    started(ann, "kept")
    (kind,) = [each for each in ann.get("kinds").json()["items"] if each["kind"] == "notebook"]
    assert "is removed when it leaves the trash" in kind["deleting"]
    assert ann.delete("notebooks/purged").status_code in (200, 204)
    wait_until(lambda: not folder.exists(), what="its volume is gone", seconds=180)
    wait_until(lambda: ann.get("notebooks/purged").status_code == 404, what="it is gone with it")
    trashed = ann.get("notebooks", params={"trashed": 1}).json()["items"]
    assert "purged" not in [each["name"] for each in trashed]
    assert (folder.parent / "kept").is_dir()
    # another of that name begins empty
    started(ann, "purged")
    assert folder.is_dir() and not (folder / "work.txt").exists()
