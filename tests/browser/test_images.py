"""Images and registry accounts in JupyterLab: a log-in is kept, an image registered with it, and chosen from cards."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.browser.lab import LONG_MILLISECONDS, execute, look, open_lab, panel, running_lab, use_theme, violations

from orrery.testing.jupyter import Jupyter
from orrery.testing.platform import wait_settled
from orrery.testing.registries import (
    GOOD_LABELS,
    DockerRegistry,
    docker_registry,
    docker_registry_program,
    make_image,
    push,
)

USER, PASSWORD = "robot", "a-password-of-robot"
Place = tuple[Jupyter, httpx.Client, DockerRegistry]
pytestmark = pytest.mark.skipif(
    docker_registry_program() is None, reason="docker-registry is not installed (apt-get install docker-registry)"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with (
        docker_registry(tmp_path_factory.mktemp("registry"), USER, PASSWORD) as registry,
        pytest.MonkeyPatch.context() as patch,
    ):
        push(registry.url, "team/own", "1.0", make_image(), (USER, PASSWORD))
        for_trainings = make_image({**GOOD_LABELS, "orrery.image.type": "TRAINING"})
        push(registry.url, "team/trains", "1.0", for_trainings, (USER, PASSWORD))
        hosts = [registry.host]
        patch.setenv("ORRERY_IMAGES", json.dumps({"private_registries": hosts, "insecure_registries": hosts}))
        patch.setenv("ORRERY_CONTAINERS", "true")
        with running_lab(tmp_path_factory.mktemp("lab")) as (lab, client):
            yield lab, client, registry


def test_a_log_in_is_kept_and_an_image_registered_with_it(place: Place, page: Page) -> None:
    lab, client, registry = place
    open_lab(page, lab)
    execute(page, "orrery:create", {"kind": "registry-account"})
    form = panel(page, "orrery-form-registry-account")
    form.get_by_label("Name", exact=True).fill("team")
    form.get_by_label("Registry", exact=True).fill(registry.host)
    form.get_by_label("Username", exact=True).fill(USER)
    form.get_by_label("Password", exact=True).fill(PASSWORD)
    look(page, "registry-account-form")
    assert violations(page, '.orr-Panel[data-testid="orrery-form-registry-account"]') == []
    form.get_by_test_id("orrery-submit").click()
    detail = panel(page, "orrery-detail-registry-account")
    expect(detail.get_by_test_id("orrery-phase")).to_have_attribute("data-phase", "ACTIVE", timeout=LONG_MILLISECONDS)
    expect(detail).to_contain_text(f"let {USER} in")
    look(page, "registry-account")
    execute(page, "orrery:create", {"kind": "image"})
    form = panel(page, "orrery-form-image")
    form.get_by_label("Name", exact=True).fill("own")
    form.get_by_label("Address", exact=True).fill(f"{registry.host}/team/own:1.0")
    form.get_by_role("combobox", name="Registry account").fill("team")
    form.get_by_role("option", name="team").click()
    look(page, "image-form")
    form.get_by_test_id("orrery-submit").click()
    detail = panel(page, "orrery-detail-image")
    expect(detail.get_by_test_id("orrery-phase")).to_have_attribute("data-phase", "ACTIVE", timeout=LONG_MILLISECONDS)
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"image-{theme}")
    execute(page, "orrery:open-list", {"kind": "image"})
    expect(panel(page, "orrery-list-image").get_by_test_id("orrery-row-own")).to_contain_text("PYTORCH")
    look(page, "image-list")
    assert PASSWORD not in client.get("registry-accounts/team").text


def test_an_image_is_chosen_from_cards(place: Place, page: Page) -> None:
    lab, client, registry = place
    for name, tag in (("chosen", "1.0"), ("broken", "9.9")):
        account = f"{name}-account"
        login = {"registry": registry.host, "username": USER, "password": PASSWORD}
        assert client.post("registry-accounts", json={"name": account, "spec": login}).status_code == 201
        spec = {"address": f"{registry.host}/team/trains:{tag}", "registry_account": account, "type": "TRAINING"}
        assert client.post("images", json={"name": name, "spec": spec}).status_code == 201
        wait_settled(client, "images", name)
    open_lab(page, lab)
    execute(page, "orrery:create", {"kind": "training"})
    form = panel(page, "orrery-form-training")
    images = form.get_by_test_id("orrery-images-spec_image")
    default = images.get_by_test_id("orrery-image-default-spec_image").get_by_role("radio")
    expect(default).to_be_checked(timeout=LONG_MILLISECONDS)
    card = images.get_by_test_id("orrery-image-train-pytorch-gpu")
    expect(card).to_contain_text("PyTorch 2.13.0 · Python 3.12", timeout=LONG_MILLISECONDS)
    expect(images.get_by_test_id("orrery-image-notebook-pytorch-gpu")).to_have_count(0)
    card.click()
    expect(card.get_by_role("radio")).to_be_checked()
    expect(default).not_to_be_checked()
    card.scroll_into_view_if_needed()
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"image-catalogue-{theme}")
        assert violations(page, '[data-testid="orrery-images-spec_image"]') == []
    images.get_by_role("button", name="Private images").click()
    expect(images.get_by_test_id("orrery-image-broken").get_by_role("radio")).to_be_disabled()
    own = images.get_by_test_id("orrery-image-chosen")
    own.click()
    expect(own.get_by_role("radio")).to_be_checked()
    for theme in ("light", "dark"):
        use_theme(page, theme)
        look(page, f"image-private-{theme}")
        assert violations(page, '[data-testid="orrery-images-spec_image"]') == []
