"""What a site says of its cluster, its shares, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from orrery_hub.kubernetes.pod import make_environment, write_cores
from orrery_hub.kubernetes.profiles import make_profile_list
from orrery_hub.kubernetes.shares import make_volumes, parse_uri, read_shares
from orrery_hub.kubernetes.site import Site
from orrery_hub.launch import Image, InstanceType, Launch, Mount, NoLaunch
from orrery_hub.settings import InvalidSetting

ROOT = Path(__file__).parents[2]
SHARES = read_shares({"home": {"server": "nfs", "path": "/export"}, "closed": {"claim": "c", "users": ["ann"]}})


def test_a_site_that_says_nothing_has_usable_values() -> None:
    assert Site.from_environment({}) == Site()


def test_everything_can_be_said_by_the_environment() -> None:
    environment = {
        "ORRERY_HUB_KEY": "key",
        "ORRERY_NOTEBOOK_DATA_DIR": "/home/ann/data",
        "ORRERY_NOTEBOOK_DATA_GIB": "0.5",
        "ORRERY_STORAGE_CLASS": "fast",
        "ORRERY_STORAGE_ACCESS_MODE": "ReadWriteMany",
        "ORRERY_NOTEBOOK_USER": "jovyan",
        "ORRERY_NOTEBOOK_UID": "1001",
        "ORRERY_NOTEBOOK_GID": "100",
        "ORRERY_NOTEBOOK_ROOT_START": "No",
        "ORRERY_NOTEBOOK_USER_NAMESPACES": "true",
        "ORRERY_NAS": json.dumps({"home": {"server": "nfs", "path": "/export"}}),
    }
    assert Site.from_environment(environment, "http://p") == Site(
        platform_url="http://p",
        hub_key="key",
        data_directory="/home/ann/data",
        data_bytes=1 << 29,
        storage_class="fast",
        access_mode="ReadWriteMany",
        user="jovyan",
        uid=1001,
        gid=100,
        starts_as_root=False,
        uses_user_namespaces=True,
        shares={"home": SHARES["home"]},
    )
    assert "key" not in repr(Site(hub_key="key")).replace("hub_key", "")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ORRERY_NOTEBOOK_DATA_DIR", "data", "is 'data'; use an absolute path"),
        ("ORRERY_NOTEBOOK_DATA_DIR", "/a/../b", "use an absolute path"),
        ("ORRERY_NOTEBOOK_DATA_GIB", "0", "is '0'; use a number above 0"),
        ("ORRERY_STORAGE_ACCESS_MODE", "rwx", "is 'rwx'; use one of ReadWriteOnce"),
        ("ORRERY_NOTEBOOK_UID", "0", "notebooks never run as root"),
        ("ORRERY_NOTEBOOK_ROOT_START", "perhaps", "is 'perhaps'; use true or false"),
        ("ORRERY_NAS", "{", "ORRERY_NAS is no JSON"),
        ("ORRERY_NAS", "[]", "use a JSON object"),
        ("ORRERY_NAS", '{"a/b": {"claim": "c"}}', "a name that no address can hold"),
        ("ORRERY_NAS", '{"a": "c"}', "use an object with server and path, csi, or claim"),
        ("ORRERY_NAS", '{"a": {}}', "no source; give one of server, csi, claim"),
        ("ORRERY_NAS", '{"a": {"claim": "c", "server": "s"}}', "server and claim; give one of"),
        ("ORRERY_NAS", '{"a": {"claim": "c", "path": "/x"}}', "has 'path', which means nothing there"),
        ("ORRERY_NAS", '{"a": {"server": "s", "path": "/x/../.."}}', "use the exported path"),
        ("ORRERY_NAS", '{"a": {"csi": {}}}', "use an object with driver"),
        ("ORRERY_NAS", '{"a": {"claim": "c", "users": "ann"}}', "users is 'ann'; use a list"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_its_value(name: str, value: str, words: str) -> None:
    with pytest.raises(InvalidSetting, match=re.escape(words)):
        Site.from_environment({name: value})


@pytest.mark.parametrize(
    "uri",
    [
        *("nas://home:/../etc", "nas://home:/a/../../b", "nas://home:/a/./b", "nas://home", "nas://home:x", "s3://b/x"),
        *("nas://:/a", "nas://ho/me:/a", "nas://home:/a\x00b", "nas://home:/a\n", "nas://home:/" + "x" * 2000),
    ],
)
def test_no_address_leads_out_of_its_share(uri: str) -> None:
    with pytest.raises(NoLaunch, match=r"is no shared storage|leads out of its share"):
        parse_uri(uri)


def test_an_address_is_normalised() -> None:
    assert parse_uri("nas://home:/") == ("home", "")
    assert parse_uri("nas://home://a//b/") == ("home", "a/b")


@pytest.mark.parametrize("directory", ["", "/", "..", "a/../b", "a//b", ".", "a:b", "a\nb"])
def test_a_mount_stays_below_the_data_volume(directory: str) -> None:
    with pytest.raises(NoLaunch, match="a mount's directory is"):
        make_volumes([Mount(directory, "nas://home:/x")], SHARES, "/root/orrery", "ann", [])


def test_two_mounts_at_one_place_are_refused() -> None:
    mounts = [Mount("x", "nas://home:/a"), Mount("x/", "nas://home:/b")]
    with pytest.raises(NoLaunch, match="two mounts have the directory 'x'"):
        make_volumes(mounts, SHARES, "/root/orrery", "ann", [])


def test_a_share_that_is_not_ones_own_is_as_unknown_as_one_that_is_not_there() -> None:
    for share in ("closed", "nowhere"):
        with pytest.raises(NoLaunch, match=f"shared storage '{share}' is unknown here; choose one of home$"):
            make_volumes([Mount("x", f"nas://{share}:/a")], SHARES, "/root/orrery", "bob", [])
    assert make_volumes([Mount("x", "nas://closed:/a")], SHARES, "/root/orrery", "ann", []).mounts


def test_an_owners_variables_never_stand_for_others() -> None:
    launch = Launch("nb-1", Image("i"), InstanceType("s", 1, 1), environment={"A": "$(HOME) $HOME $$(X)"})
    assert make_environment(launch, Site())[0] == {"A": "$$(HOME) $$HOME $$$$(X)"}
    bad = Launch("nb-1", Image("i"), InstanceType("s", 1, 1), environment={"A=B": ""})
    with pytest.raises(NoLaunch, match="'A=B' is no name"):
        make_environment(bad, Site())


@pytest.mark.parametrize(("cores", "text"), [(2, "2"), (0.5, "500m"), (0.1, "100m"), (1.25, "1250m")])
def test_cores_are_written_as_kubernetes_writes_them(cores: float, text: str) -> None:
    assert write_cores(cores) == text


def test_a_hub_without_the_platform_offers_each_image_on_the_sizes_of_its_core_type() -> None:
    images = [
        Image("python", "reg/python:1", "CPU", "PYTHON", python_version="3.11"),
        Image("torch", "reg/torch:1", "GPU"),
    ]
    sizes = [InstanceType("small", 2, 8 << 30), InstanceType("gpu", 8, 64 << 30, 1, 1 << 30)]
    profiles = make_profile_list(images, sizes)
    assert [(each["slug"], each["default"]) for each in profiles] == [("python--small", True), ("torch--gpu", False)]
    assert profiles[0]["description"] == "PYTHON, Python 3.11, 2 cores, 8 GiB"
    override: dict[str, Any] = profiles[1]["kubespawner_override"]
    assert override["extra_resource_limits"] == {"nvidia.com/gpu": "1"}
    assert override["volume_mounts"] == [{"name": "shared-memory", "mountPath": "/dev/shm"}]


def test_every_variable_of_a_cluster_is_described() -> None:
    source = (ROOT / "hub" / "orrery_hub" / "kubernetes" / "site.py").read_text()
    reference = (ROOT / "docs" / "reference" / "kubernetes.md").read_text()
    read = set(re.findall(r'"(ORRERY_[A-Z_]+)"', source))
    assert {"ORRERY_NAS", "ORRERY_HUB_KEY"} <= read
    assert [name for name in sorted(read) if f"| `{name}` |" not in reference] == []
