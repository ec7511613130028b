"""Addresses of images, what their labels say, who may use one, and when nothing may be changed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orrery.api.assembly import Assembly, assemble
from orrery.controllers.image_catalogue import FRAMEWORKS, PYTHON, shipped, synchronise_images
from orrery.controllers.images import check_image, launch_image, read_facts, resolve_image
from orrery.controllers.registries import RegistryProblem
from orrery.controllers.registry_accounts import check_is_idle
from orrery.controllers.settings import Settings
from orrery.domain.access import Visibility
from orrery.domain.ids import make_id
from orrery.domain.image_addresses import ImageAddress, parse_image_address
from orrery.domain.records import Record, Reference, utc_now
from orrery.domain.registry_accounts import RegistryAccountSpec
from orrery.errors import Conflict, InUse, Invalid
from orrery.testing.registries import GOOD_LABELS

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ghcr.io/me/x:1.0", ImageAddress("ghcr.io", "me/x", "1.0")),
        ("GHCR.io/me/x:1.0", ImageAddress("ghcr.io", "me/x", "1.0")),
        ("localhost:5000/x:latest", ImageAddress("localhost:5000", "x", "latest")),
        ("127.0.0.1:5000/a/b/c__d:1", ImageAddress("127.0.0.1:5000", "a/b/c__d", "1")),
        ("[::1]:5000/x:1", ImageAddress("[::1]:5000", "x", "1")),
        (f"ghcr.io/x@{DIGEST}", ImageAddress("ghcr.io", "x", None, DIGEST)),
        (f"ghcr.io/x:1@{DIGEST}", ImageAddress("ghcr.io", "x", "1", DIGEST)),
        ("ubuntu:22.04", ImageAddress("docker.io", "library/ubuntu", "22.04")),
        ("me/x:1", ImageAddress("docker.io", "me/x", "1")),
        ("index.docker.io/me/x:1", ImageAddress("docker.io", "me/x", "1")),
    ],
)
def test_an_address_is_read(text: str, expected: ImageAddress) -> None:
    assert parse_image_address(text) == expected
    assert parse_image_address(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no part"),
        ("ghcr.io/me/x", "neither tag nor digest"),
        ("https://ghcr.io/me/x:1", "begins with a protocol"),
        ("ghcr.io/Me/x:1", "lower-case letters"),
        ("ghcr.io/me//x:1", "is no part"),
        ("ghcr.io/../x:1", "is no part"),
        ("ghcr.io/me/x:1 ; rm", "is no tag"),
        ("ghcr.io/me/x:", "is no tag"),
        ("ghcr.io/me/x:-1", "is no tag"),
        ("ghcr.io/me/x@sha256:12", "is no digest"),
        ("ghcr.io:99999/me/x:1", "is no registry"),
        ("-bad.io/me/x:1", "is no registry"),
        ("user@ghcr.io/me/x:1", "is no digest"),
        (f"ghcr.io/{'a' * 250}:1", "more than 255"),
    ],
)
def test_what_is_no_address_says_why(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_image_address(text)


@given(st.text("aA0./:@-_[]?#%\n ", max_size=30))
def test_an_address_holds_nothing_that_leads_elsewhere(text: str) -> None:
    try:
        address = parse_image_address(text)
    except ValueError:
        return
    assert not set(f"{address.registry}{address.repository}{address.tag}") & set("@?#% \n")
    assert ".." not in address.repository.split("/") and parse_image_address(str(address)) == address


def test_an_account_has_the_host_of_its_registry() -> None:
    assert RegistryAccountSpec.model_validate({"category": "GHCR", "username": "a"}).registry == "ghcr.io"
    with pytest.raises(ValueError, match="registry is needed: a registry of category NCR"):
        RegistryAccountSpec.model_validate({"category": "NCR", "username": "a"})
    with pytest.raises(ValueError, match="no https:// or path"):
        RegistryAccountSpec.model_validate({"registry": "https://example.org/team", "username": "a"})
    with pytest.raises(ValueError, match="has no ':'"):
        RegistryAccountSpec.model_validate({"registry": "example.org", "username": "a:b"})


def facts(labels: dict[str, str], **asked: str) -> Any:
    return read_facts({"address": "example.org/x:1", "type": "NOTEBOOK", **asked}, labels, "base:1")


def test_labels_fill_what_was_left_empty() -> None:
    assert facts(GOOD_LABELS, framework_version="2.13")["framework_version"] == "2.13.0"
    plain = {"orrery.image.base": "x", "orrery.image.framework": "python", "orrery.image.python-version": "3.12"}
    assert facts(plain, core_type="CPU") == {
        "core_type": "CPU",
        "framework": "PYTHON",
        "framework_version": "3.12",
        "python_version": "3.12",
    }


@pytest.mark.parametrize(
    ("labels", "asked", "reason"),
    [
        ({}, {}, "no_base"),
        ({"orrery.image.base": ""}, {}, "no_base"),
        (GOOD_LABELS, {"framework": "TENSORFLOW"}, "facts_differ"),
        (GOOD_LABELS, {"framework_version": "2.1"}, "facts_differ"),
        ({"orrery.image.base": "x"}, {"framework": "PYTORCH", "core_type": "CPU"}, "facts_missing"),
    ],
)
def test_labels_that_do_not_do_are_refused(labels: dict[str, str], asked: dict[str, str], reason: str) -> None:
    with pytest.raises(RegistryProblem) as caught:
        facts(labels, **asked)
    assert caught.value.reason == reason


@pytest.fixture
def assembly(tmp_path: Path) -> Any:
    made = assemble(Settings(home=tmp_path, containers=True))
    yield made
    made.platform.store.database.close()


def make_record(kind: str, name: str, phase: str, spec: dict[str, Any], **others: Any) -> Record:
    now = utc_now()
    prefix = {"image": "img", "registry-account": "rac", "training": "trn"}[kind]
    given: dict[str, Any] = {"id": make_id(prefix), "owner": "alice", "version": 0, **others}
    return Record(kind=kind, name=name, phase=phase, spec=spec, created_at=now, updated_at=now, **given)


def private_image(assembly: Assembly) -> tuple[Record, Record]:
    platform = assembly.platform
    sealed = {"sealed": platform.vault.seal("a-password")}
    account = make_record(
        "registry-account", "team", "ACTIVE", {"registry": "example.org", "username": "robot"}, internal=sealed
    )
    platform.store.create(account, ())
    address = "example.org/x:1"
    image = make_record(
        "image",
        "own",
        "ACTIVE",
        {"address": address, "type": "NOTEBOOK", "registry_account": account.id},
        outputs={
            "pinned": f"example.org/x@{DIGEST}",
            "pinned_from": address,
            "core_type": "GPU",
            "framework": "PYTORCH",
        },
    )
    platform.store.create(image, (Reference("registry_account", "registry-account", account.id),))
    return account, image


@pytest.mark.parametrize(("phase", "is_busy"), [("CREATE_REQUESTED", True), ("RUNNING", True), ("STOPPED", False)])
def test_nothing_is_changed_under_what_runs(assembly: Assembly, phase: str, is_busy: bool) -> None:
    store = assembly.platform.store
    account, image = private_image(assembly)
    store.create(make_record("training", "user", phase, {}), (Reference("image", "image", image.id),))
    for record in (account, image):
        if not is_busy:
            check_is_idle(store, record)
            continue
        with pytest.raises(InUse, match="while training alice/user is being created or running") as caught:
            check_is_idle(store, record)
        assert caught.value.details["dependents"]


def test_what_is_launched_is_pinned_and_has_its_log_in(assembly: Assembly) -> None:
    platform = assembly.platform
    _, image = private_image(assembly)
    assert launch_image(platform, image) == {
        "name": "own",
        "address": f"example.org/x@{DIGEST}",
        "core_type": "GPU",
        "framework": "PYTORCH",
        "framework_version": "",
        "python_version": "",
        "login": {"registry": "example.org", "username": "robot", "password": "a-password"},
    }
    moved = replace(image, spec={**image.spec, "address": "example.org/x:2"}, phase="CHECK_FAILED", message="gone")
    with pytest.raises(Conflict, match=r"has not been checked as it is now \(CHECK_FAILED\): gone"):
        launch_image(platform, moved)
    with pytest.raises(Invalid, match="it can be used once its check has succeeded"):
        check_image(platform, moved, "NOTEBOOK")
    with pytest.raises(Invalid, match="is for a notebook, not for a training"):
        check_image(platform, image, "TRAINING")


def test_an_image_is_found_by_whoever_may_use_it(assembly: Assembly) -> None:
    platform = assembly.platform
    synchronise_images(platform)
    _, image = private_image(assembly)
    assert resolve_image(platform, "alice", "own", "NOTEBOOK").id == image.id
    assert resolve_image(platform, "bob", "train-pytorch-gpu", "TRAINING").owner == "orrery"
    for name in ("own", "alice/own", "none", "a/b/c"):
        with pytest.raises(Invalid) as caught:
            resolve_image(platform, "bob", name, "NOTEBOOK")
        assert caught.value.details["fields"]
    platform.store.update(image.id, lambda fresh: replace(fresh, visibility=Visibility.PUBLIC))
    assert resolve_image(platform, "bob", "alice/own", "NOTEBOOK").id == image.id


def test_without_containers_there_is_this_python_alone(assembly: Assembly, tmp_path: Path) -> None:
    platform = assembly.platform
    synchronise_images(platform)
    assert resolve_image(platform, "bob", "notebook-python-cpu", "NOTEBOOK")
    alone = replace(platform, settings=Settings(home=tmp_path, containers=False))
    synchronise_images(alone)
    local = resolve_image(alone, "bob", "local", "TRAINING")
    assert launch_image(alone, local)["address"] == "" and local.outputs["python_version"]
    with pytest.raises(Invalid, match="'notebook-python-cpu' does not exist"):
        resolve_image(alone, "bob", "notebook-python-cpu", "NOTEBOOK")
    _, image = private_image(assembly)
    with pytest.raises(Invalid, match="choose 'local', this machine's Python"):
        check_image(alone, image, "NOTEBOOK")
    with pytest.raises(Invalid, match="here everything is a container"):
        check_image(platform, local, "NOTEBOOK")


@pytest.mark.skipif(not (ROOT / "images" / "variants.json").exists(), reason="no images are built from this checkout")
def test_the_catalogue_is_what_is_built(assembly: Assembly) -> None:
    built = json.loads((ROOT / "images" / "variants.json").read_text())
    assert {image.name for image in shipped(assembly.platform)} == {variant["name"] for variant in built}
    for variant in built:
        assert variant["framework_version"] == FRAMEWORKS[variant["variant"].upper()], variant["name"]
    assert f"ARG PYTHON={PYTHON}" in (ROOT / "images" / "Containerfile").read_text()
