"""Pictures, sounds and series through a real endpoint: models of a runtime from another distribution."""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import orrery
from orrery.client import Client
from orrery.errors import Invalid
from orrery.testing import media
from orrery.testing.platform import RunningPlatform
from orrery_widgets import Playground


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home = Path(tempfile.mkdtemp(prefix="orrery-"))
    folder = tmp_path_factory.mktemp("models")
    environment = {"PYTHONPATH": str(media.install(folder / "plugin"))}
    savers = {"digits": media.save_digits, "tones": media.save_tones, "spots": media.save_spots}
    with (
        RunningPlatform(home, environment=environment) as platform,
        orrery.Client(platform.url, platform.announcement["token"]) as client,
    ):
        for name, save in {**savers, "season": media.save_forecast}.items():
            model = client.models.create(name, save(folder / name), progress=False).wait(progress=False)
            client.deploy(model, endpoint=name, progress=False, wait=False)
        for name in (*savers, "season"):
            client.endpoints.get(name).wait(progress=False)
        yield client
    shutil.rmtree(home, ignore_errors=True)


def b64(content: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(content).decode()}


def test_a_picture_gets_a_class_with_its_probability(client: Client) -> None:
    rows = [{"image": b64(media.digit(place))} for place in range(10)]
    answer = client.endpoints.get("digits").ask(rows, parameters={"probabilities": True})
    assert answer["predictions"] == [str(place) for place in range(10)]
    assert all(len(shares) == 10 and max(shares) > 0.6 for shares in answer["probabilities"])


def test_a_sound_gets_a_class(client: Client) -> None:
    rows = [{"audio": b64(media.tone(hertz))} for hertz in (220, 1760)]
    assert client.predict("tones", rows) == ["low", "high"]


def test_what_is_found_in_a_picture_comes_with_its_box(client: Client) -> None:
    (found,) = client.predict("spots", [{"image": b64(media.spots())}])
    boxes: list[Any] = [list(one["box"].values()) for one in found]
    assert boxes == [[70, 30, 110, 70], [10, 20, 40, 50]]
    assert found[1] == {"label": "spot", "score": 1.0, "box": {"xmin": 10, "ymin": 20, "xmax": 40, "ymax": 50}}


def test_a_series_goes_on(client: Client) -> None:
    history = media.season(60)
    (forecast,) = client.predict("season", [{"series": history[:36]}])
    assert len(forecast) == media.AHEAD
    assert forecast == pytest.approx(history[36:], abs=0.5)


@pytest.mark.parametrize(
    ("endpoint", "row", "words"),
    [
        ("digits", {"image": "no picture!"}, "column 'image': 'no picture!' is not base64"),
        ("digits", {"image": 3}, "the image as base64"),
        ("digits", {"image": None}, "the model needs a value there"),
        ("season", {"series": []}, "is not a list of numbers"),
        ("season", {"series": [1, "two"]}, "'two' is not a number of the series"),
    ],
)
def test_a_refusal_names_the_column_and_what_is_wanted(
    client: Client, endpoint: str, row: dict[str, Any], words: str
) -> None:
    with pytest.raises(Invalid) as refused:
        client.predict(endpoint, [row])
    assert words in refused.value.message


def test_a_panel_shows_the_picture_with_its_classes(client: Client) -> None:
    panel = Playground("digits", client=client)
    panel.settle()
    assert panel.mode.options == ("Form", "JSON"), "no table of pictures"
    panel.inputs["image"].value = base64.b64encode(media.digit(7)).decode()
    panel.ask()
    panel.settle()
    assert panel.problem == "" and "<b>7</b>" in panel.result and "What was asked about" in panel.result
    panel.inputs["image"].value = ""
    panel.ask()
    panel.settle()
    assert "the model needs a value there" in panel.problem
    panel.close()


def test_a_panel_draws_boxes_in_the_picture(client: Client) -> None:
    panel = Playground("spots", client=client)
    panel.settle()
    panel.ask()
    panel.settle()
    assert "viewBox='0 0 120 80'" in panel.result, panel.problem
    assert "<rect x='70' y='30' width='40' height='40' " in panel.result
    assert "100.0%" in panel.result and "10, 20 to 40, 50" in panel.result
    panel.close()


def test_a_panel_draws_a_forecast_after_what_was_given(client: Client) -> None:
    panel = Playground("season", client=client)
    panel.settle()
    panel.ask()
    panel.settle()
    assert panel.result.count("<polyline") == 2 and "given" in panel.result, panel.problem
    panel.inputs["series"].value = "20 24 many"
    panel.ask()
    panel.settle()
    assert "write numbers, separated by commas" in panel.problem
    panel.close()
