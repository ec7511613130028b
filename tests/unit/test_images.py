"""Addresses of images, what their labels say, who may use one, and when nothing may be changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orrery.api.assembly import Assembly, assemble
from orrery.controllers.built_in_algorithms import synchronise_built_ins
from orrery.controllers.contract import NewResource
from orrery.controllers.image_catalogue import FRAMEWORKS, PYTHON, shipped, synchronise_images
from orrery.controllers.images import check_image, launch_image, read_facts, resolve_image
from orrery.controllers.registries import RegistryProblem
from orrery.controllers.registry_accounts import check_is_idle
from orrery.controllers.settings import InstanceType, Settings
from orrery.controllers.training_images import ImageLogins
from orrery.controllers.training_jobs import make_job
from orrery.domain.access import User, Visibility
from orrery.domain.ids import make_id
from orrery.domain.image_addresses import ImageAddress, parse_image_address
from orrery.domain.kinds import describe
from orrery.domain.notebooks import NOTEBOOK
from orrery.domain.records import Json, Record, Reference, utc_now
from orrery.domain.registry_accounts import RegistryAccountSpec
from orrery.domain.templates import TEMPLATE
from orrery.domain.trainings import TRAINING
from orrery.domain.tunings import TUNING
from orrery.errors import Conflict, InUse, Invalid
from orrery.executors.contract import ContainerImage, Resources
from orrery.executors.local import LocalExecutor
from orrery.testing.executors import FolderObjects, NamedSecrets
from orrery.testing.registries import GOOD_LABELS

ROOT = Path(__file__).parents[2]
SIZES = {
    "cpu-small": InstanceType(cores=1, memory_bytes=1 << 30, title="small"),
    "gpu": InstanceType(cores=1, memory_bytes=1 << 30, gpus=1, title="GPU"),
}
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


class ContainerExecutor(LocalExecutor):
    """Says that it runs containers; nothing is submitted to it here."""

    runs_containers = True


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Assembly]:
    """A platform whose trainings are containers."""
    settings = Settings(home=tmp_path, containers=True, instance_types={**SIZES})
    capacity = Resources(cores=64, memory_bytes=1 << 40, gpus=8)
    objects = FolderObjects(tmp_path / "objects")
    executor = ContainerExecutor(tmp_path / "jobs", objects, capacity=capacity, preload=False)
    made = assemble(settings, executor=executor)
    synchronise_images(made.platform)
    synchronise_built_ins(made.platform)
    yield made
    made.platform.store.database.close()


def asked(name: str, **spec: Any) -> NewResource:
    return NewResource(name, {"algorithm": "orrery/xgboost", "parameters": {"target": "y"}, **spec})


def new_training(assembly: Assembly, name: str, **spec: Any) -> Record:
    table = assembly.platform.store.find_named("dataset-version", ["alice"], "table")
    if table is None:
        now = utc_now()
        content: Json = {"files": [], "format": "csv"}
        table = Record(
            make_id("dsv"), "dataset-version", "alice", "table", 1, content, "ACTIVE", created_at=now, updated_at=now
        )
        assembly.platform.store.create(table, ())
    return assembly.commands.create(User("alice"), TRAINING, asked(name, datasets={"train": table.id}, **spec))


def for_trainings(assembly: Assembly, image: Record) -> Record:
    spec, outputs = {**image.spec, "type": "TRAINING"}, {**image.outputs, "core_type": "CPU"}
    return assembly.platform.store.update(image.id, lambda fresh: replace(fresh, spec=spec, outputs=outputs))


def test_a_training_runs_in_the_catalogues_image_of_its_core_type_or_the_one_chosen(containers: Assembly) -> None:
    store = containers.platform.store
    for name, spec, image in (
        ("small", {}, "train-pytorch-cpu"),
        ("large", {"instance_type": "gpu"}, "train-pytorch-gpu"),
        ("chosen", {"image": "train-tensorflow-cpu"}, "train-tensorflow-cpu"),
    ):
        training = new_training(containers, name, **spec)
        assert store.get(training.spec["image"]).name == image
        uses = store.references_of([training.id])[training.id]
        assert [used.name for reference, used in uses if reference.path == "image"] == [image]
    with pytest.raises(Invalid, match="is made for GPU, and cpu-small is a CPU instance type"):
        new_training(containers, "crossed", image="train-pytorch-gpu")
    with pytest.raises(Invalid, match="is for a notebook, not for a training"):
        new_training(containers, "other", image="notebook-pytorch-cpu")


def test_a_retry_runs_in_the_image_that_the_training_began_with(containers: Assembly) -> None:
    platform = containers.platform
    _, image = private_image(containers)
    platform.store.update(
        image.id,
        lambda fresh: replace(
            fresh, spec={**fresh.spec, "type": "TRAINING"}, outputs={**fresh.outputs, "core_type": "CPU"}
        ),
    )
    training = new_training(containers, "private", image="own")
    outcome = containers.controllers["training"].reconcile(training)
    assert outcome.outputs["image_address"] == f"example.org/x@{DIGEST}"
    begun = outcome.on(training)
    platform.store.update(
        image.id, lambda fresh: replace(fresh, outputs={**fresh.outputs, "pinned": "example.org/x@new"})
    )
    again = containers.controllers["training"].reconcile(begun).on(begun)
    job = make_job(platform, again, "job")
    assert job.image == ContainerImage(f"example.org/x@{DIGEST}", f"image-login:{image.id}")
    logins = ImageLogins(NamedSecrets())
    logins.platform = platform
    revealed = json.loads(logins.reveal(f"image-login:{image.id}"))["auths"]["example.org"]["auth"]
    assert base64.b64decode(revealed) == b"robot:a-password"
    assert logins.reveal("alice/token") == "secret of alice/token"
    assert "a-password" not in json.dumps([again.spec, again.outputs, again.internal, str(job)], default=str)


def test_an_image_that_was_never_checked_fails_the_training_in_words(containers: Assembly) -> None:
    _, image = private_image(containers)
    store = containers.platform.store
    store.update(
        image.id,
        lambda fresh: replace(
            fresh, spec={**fresh.spec, "type": "TRAINING"}, outputs={**fresh.outputs, "core_type": "CPU"}
        ),
    )
    training = new_training(containers, "moved", image="own")
    store.update(image.id, lambda fresh: replace(fresh, spec={**fresh.spec, "address": "example.org/x:2"}))
    outcome = containers.controllers["training"].reconcile(training)
    assert outcome.event == "refused" and "has not been checked" in str(outcome.message)


def test_where_trainings_are_processes_an_image_is_refused_and_none_is_filled_in(assembly: Assembly) -> None:
    synchronise_images(assembly.platform)
    synchronise_built_ins(assembly.platform)
    with pytest.raises(Invalid, match="here trainings are processes of the platform's Python") as caught:
        new_training(assembly, "asked", image="train-pytorch-cpu")
    fields: Any = caught.value.details["fields"]
    assert fields[0]["path"] == "spec.image"
    training = new_training(assembly, "plain")
    assert training.spec["image"] is None
    assert make_job(assembly.platform, begin(assembly, training), "job").image is None


def begin(assembly: Assembly, training: Record) -> Record:
    return assembly.controllers["training"].reconcile(training).on(training)


def test_the_field_is_offered_where_there_are_containers(assembly: Assembly, tmp_path: Path) -> None:
    alone = assemble(Settings(home=tmp_path / "alone"))
    for kind in (TRAINING, TUNING, TEMPLATE):
        schema = describe(kind)["spec_schema"]
        assert "image" in assembly.controllers[kind.name].offer(schema)["properties"]
        assert "image" not in alone.controllers[kind.name].offer(schema)["properties"]
    schema = describe(NOTEBOOK)["spec_schema"]
    assert alone.controllers["notebook"].offer(schema)["properties"]["image"]["default"] == "local"
    assert alone.controllers["notebook"].complete({})["image"] == "local"
    assert assembly.controllers["notebook"].offer(schema)["properties"]["image"].get("default") is None
    assert assembly.controllers["notebook"].complete({})["image"] == "notebook-python-cpu"
    alone.platform.store.database.close()


@pytest.mark.skipif(not (ROOT / "images" / "variants.json").exists(), reason="no images are built from this checkout")
def test_the_catalogue_is_what_is_built(assembly: Assembly) -> None:
    built = json.loads((ROOT / "images" / "variants.json").read_text())
    assert {image.name for image in shipped(assembly.platform)} == {variant["name"] for variant in built}
    for variant in built:
        assert variant["framework_version"] == FRAMEWORKS[variant["variant"].upper()], variant["name"]
    assert f"ARG PYTHON={PYTHON}" in (ROOT / "images" / "Containerfile").read_text()
