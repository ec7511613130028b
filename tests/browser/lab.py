"""A real JupyterLab over a platform with something in it, and looks at it in both themes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Locator, Page, expect

from orrery.testing.jupyter import Jupyter, jupyter_lab
from orrery.testing.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
SIGHTS = REPOSITORY / ".screenshots"
AXE = REPOSITORY / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
LONG_MILLISECONDS = 120_000
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
VIOLATIONS = """async selector => (await axe.run(selector)).violations
    .map(found => found.id + ': ' + found.nodes.map(node => node.html.slice(0, 160)).join(' | '))"""


@contextmanager
def running_lab(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[tuple[Jupyter, httpx.Client]]:
    """JupyterLab over a home of its own, and a client of the platform that it started."""
    home, work = folder / "home", folder / "work"
    work.mkdir(parents=True)
    with jupyter_lab(home, work, environment=environment) as lab:
        with lab.client() as asking:
            wait_until(lambda: asking.get("/orrery/readyz").is_success, seconds=90, what="the platform behind Jupyter")
        headers = {"Authorization": f"token {lab.token}"}
        base = f"{lab.url}/orrery/api/v1/"
        with httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False) as client:
            yield lab, client


def open_lab(page: Page, lab: Jupyter) -> None:
    page.goto(f"{lab.url}/lab?token={lab.token}&reset")
    expect(page.locator('[data-id="orrery-side-bar"]').first).to_be_visible(timeout=LONG_MILLISECONDS)
    # until then JupyterLab moves the focus by itself
    page.wait_for_function("window.jupyterapp !== undefined")
    page.evaluate("async () => void await window.jupyterapp.restored")
    expect(page.locator("#jupyterlab-splash")).to_have_count(0, timeout=LONG_MILLISECONDS)


def execute(page: Page, command: str, arguments: dict[str, object] | None = None) -> None:
    """Run a command of JupyterLab, as a menu or a shortcut would."""
    page.wait_for_function("window.jupyterapp !== undefined")
    # what it answers with, a widget, does not fit through here
    page.evaluate(
        f"async () => void await window.jupyterapp.commands.execute({command!r}, {json.dumps(arguments or {})})"
    )


def use_theme(page: Page, theme: str) -> None:
    execute(page, "apputils:change-theme", {"theme": THEMES[theme]})
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", THEMES[theme])
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)


def choose_theme(page: Page, name: str) -> None:
    """By the menu, for a JupyterLab that a hub has started."""
    page.get_by_role("menuitem", name="Settings").click()
    page.locator(".lm-Menu").get_by_text("Theme", exact=True).click()
    page.locator(".lm-Menu").get_by_text(THEMES[name], exact=True).click()
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", THEMES[name])
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)


def look(page: Page, name: str) -> None:
    SIGHTS.mkdir(exist_ok=True)
    page.screenshot(path=SIGHTS / f"{name}.png")


def violations(page: Page, selector: str) -> list[str]:
    """What axe finds wrong within `selector`."""
    page.add_script_tag(path=AXE)
    return page.evaluate(VIOLATIONS, selector)


def panel(page: Page, name: str) -> Locator:
    """The panel that is in front."""
    return page.locator(f'.orr-Panel[data-testid="{name}"]:visible')


CSV = b"width,height,colour,species\n" + b"".join(
    b"%d.%d,%d,%s,%s\n" % (i % 9, i % 10, i % 5, (b"red", b"green", b"blue")[i % 3], (b"iris", b"rose")[i % 9 > 4])
    for i in range(400)
)


def train(client: httpx.Client, name: str, **parameters: object) -> dict[str, object]:
    """Create a training of the table `flowers`."""
    spec = {
        "algorithm": "xgboost",
        "datasets": {"train": "flowers"},
        "parameters": {"target": "species", "rounds": 30, **parameters},
    }
    answer = client.post("trainings", json={"name": name, "spec": spec})
    answer.raise_for_status()
    return answer.json()


def deploy(client: httpx.Client, name: str, model: str) -> None:
    """An endpoint that answers."""
    spec = {"deployments": [{"model": model, "replicas": 1, "traffic": 100}]}
    client.post("endpoints", json={"name": name, "spec": spec}).raise_for_status()
    wait_until(
        lambda: client.get(f"endpoints/{name}").json()["status"]["phase"] == "ACTIVE",
        seconds=90,
        what=f"{name} answers",
    )
