"""JupyterHub's configuration as made from a few settings, and the small parts around it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from orrery_hub.configuration import configure, make_roles, make_service
from orrery_hub.settings import DEFAULT_INNER_PORTS, HubSettings, InvalidSetting, choose_inner_ports, is_free
from orrery_hub.spawner import escape, find_account


def settings(home: Path, **changes: Any) -> HubSettings:
    return HubSettings(**({"home": home, "host": "127.0.0.1", "port": 8000, "admins": frozenset({"boss"})} | changes))


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    environment = {"ORRERY_HOME": str(tmp_path), "PORT": "9000", "HOST": "0.0.0.0", "ORRERY_ADMIN": "Ann, bob"}
    read = HubSettings.from_environment(environment)
    assert read == HubSettings(home=tmp_path, host="0.0.0.0", port=9000, admins=frozenset({"ann", "bob"}))
    assert read.is_exposed


def test_by_default_only_this_machine_reaches_it() -> None:
    assert not HubSettings.from_environment({}).is_exposed


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_that_is_none_is_refused_with_its_value(port: str) -> None:
    with pytest.raises(InvalidSetting, match=f"PORT is '{port}'; use a number"):
        HubSettings.from_environment({"PORT": port})


def test_inner_ports_stay_the_same_from_start_to_start_and_make_way_for_others(tmp_path: Path) -> None:
    first = choose_inner_ports(tmp_path)
    assert first == choose_inner_ports(tmp_path)
    assert set(first) == set(DEFAULT_INNER_PORTS)
    assert len(set(first.values())) == 3
    with socket.create_server(("127.0.0.1", first["platform"])):
        assert not is_free(first["platform"])
        assert choose_inner_ports(tmp_path)["platform"] != first["platform"]


def test_nobody_gets_more_than_their_own_and_the_platform_only_servers() -> None:
    assert make_roles() == [
        {
            "name": "user",
            "description": "A person with an account",
            "scopes": ["self", "access:services!service=orrery"],
        },
        {
            "name": "orrery",
            "description": "The platform, which keeps the notebooks",
            "scopes": ["list:users", "servers"],
            "services": ["orrery"],
        },
    ]


def test_the_platform_is_a_service_that_the_hub_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORRERY_DATABASE_URL", "postgresql://db")
    monkeypatch.setenv("ORRERY_TOKEN", "of somebody")
    service = make_service(settings(tmp_path), "http://127.0.0.1:1234", "key")
    assert "ORRERY_TOKEN" not in service["environment"]
    python = sys.executable
    command = [python, "-m", "orrery_hub.tied", python, "-m", "orrery", "up", "--hub", "--home", str(tmp_path)]
    assert service["command"] == command
    assert service["url"] == "http://127.0.0.1:1234"
    assert service["environment"]["ORRERY_DATABASE_URL"] == "postgresql://db"
    assert service["environment"]["ORRERY_HOME"] == str(tmp_path)
    assert service["environment"]["ORRERY_HUB_KEY"] == "key"


def test_a_platform_that_runs_elsewhere_is_not_started(tmp_path: Path) -> None:
    service = make_service(settings(tmp_path, platform_url="http://platform:80"), "http://platform:80", "key")
    assert "command" not in service


def test_a_base_url_that_was_set_before_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    c = Config()
    c.JupyterHub.base_url = "/ml/"
    configure(c, settings(tmp_path))
    assert c.OrrerySpawner.platform_url.endswith("/ml/services/orrery")
    assert c.JupyterHub.template_vars["orrery_prefix"] == "/ml/services/orrery"
    assert (tmp_path / "hub").stat().st_mode & 0o777 == 0o700


def test_in_a_pod_notebooks_are_pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.touch()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setattr("orrery_hub.configuration.SERVICE_ACCOUNT", token)
    monkeypatch.setenv("ORRERY_HUB_KEY", "a long random text")
    c = Config()
    c.JupyterHub.services = [{"name": "idle-culler"}]
    c.JupyterHub.hub_connect_url = "http://hub:8081"
    configure(c, settings(tmp_path / "home", platform_url="http://orrery:8080"))
    assert c.JupyterHub.spawner_class == "orrery_hub.kubernetes.spawner.OrreryKubeSpawner"
    assert c.OrreryKubeSpawner.site.platform_url == "http://orrery:8080/services/orrery"
    assert c.JupyterHub.template_vars["orrery_is_shared"] is False
    # what the chart says of the hub itself stays
    assert [service["name"] for service in c.JupyterHub.services] == ["idle-culler", "orrery"]
    assert not {"bind_url", "hub_ip", "db_url"} & set(c.JupyterHub)
    assert not (tmp_path / "home").exists()


def test_a_pod_without_the_platforms_address_or_key_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.touch()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setattr("orrery_hub.configuration.SERVICE_ACCOUNT", token)
    monkeypatch.delenv("ORRERY_HUB_KEY", raising=False)
    with pytest.raises(InvalidSetting, match="ORRERY_PLATFORM_URL is not set"):
        configure(Config(), settings(tmp_path))
    with pytest.raises(InvalidSetting, match="ORRERY_HUB_KEY is not set"):
        configure(Config(), settings(tmp_path, platform_url="http://orrery:8080"))


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("ann", "ann"),
        ("..", "%2E."),
        (".ssh", "%2Essh"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("ann@x.org", "ann@x.org"),
    ],
)
def test_every_name_has_a_folder_of_its_own_below_the_users(name: str, folder: str) -> None:
    assert escape(name) == folder


@pytest.mark.parametrize("name", ["root", "daemon", "nobody", "nobody-of-this-name"])
def test_no_system_account_is_ever_switched_to(name: str) -> None:
    assert find_account(name) is None


def test_the_hubs_package_loads_neither_jupyter_server_nor_the_platform() -> None:
    code = (
        "import sys, orrery_hub.configuration, orrery_hub.settings\n"
        "print([name for name in ('jupyter_server', 'fastapi', 'sqlalchemy', 'orrery') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert shown.stdout.strip() == "[]"
