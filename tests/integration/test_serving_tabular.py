"""The tabular runtime behind server and gateway: the endpoint predicts what the model predicts, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orrery.gateway.routes import Deployment, Replica, Route, Routes, write_routes
from orrery.serving.runtimes import Runtime, load
from orrery.serving.tabular.encoder import Encoder
from orrery.serving.tabular.models import LinearModel
from orrery.serving.tabular.writer import PackageContent, write_package
from orrery.testing.http import Process, RawClient, call
from orrery.testing.waiting import wait_until

ROWS = 300


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear model over numbers, categories and booleans, a tenth of the values missing."""
    random = np.random.default_rng(5)
    colours = np.array([*"rgb"], dtype=object)[random.integers(0, 3, ROWS)]
    columns: dict[str, Any] = {
        "size": random.normal(size=ROWS),
        "colour": colours,
        "member": random.integers(0, 2, ROWS).astype(float),
    }
    for name, values in columns.items():
        values[random.random(ROWS) < 0.1] = None if name == "colour" else np.nan
    kinds = {"size": "number", "colour": "category", "member": "boolean"}
    encoder = Encoder.fit(columns, kinds, "linear")
    weights = random.normal(size=(3, len(encoder.features)))
    content = PackageContent(
        name="shapes",
        framework="numpy",
        framework_version=np.__version__,
        task="multiclass_classification",
        target="shape",
        encoder=encoder,
        model=LinearModel(weights, random.normal(size=3)),
        columns=columns,
        classes=["circle", "square", "star"],
    )
    folder = tmp_path_factory.mktemp("tabular") / "model"
    write_package(folder, content)
    return folder


@pytest.fixture(scope="module")
def endpoint(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("endpoint")
    home, socket, port_file = folder / "home", folder / "r.sock", folder / "port"
    deployment = Deployment("d", "shapes", 1, 100, (Replica("r", f"unix:{socket}"),))
    write_routes(
        home / "gateway" / "routes.json",
        Routes(1, None, (Route("e", "o", "shapes", "public", deployments=(deployment,)),)),
    )
    argv = ["-m", "orrery.serving", "--model", f"shapes={package}", "--socket", str(socket)]
    replica = Process(argv, log=folder / "log")
    gateway = Process(
        ["-m", "orrery.gateway", "--home", str(home), "--port-file", str(port_file)], log=folder / "gateway.log"
    )
    try:
        replica.start().wait_ready(str(socket))
        gateway.start()
        wait_until(port_file.exists)
        yield int(port_file.read_text())
    finally:
        replica.stop()
        gateway.stop()


def rows_of() -> list[dict[str, Any]]:
    random = np.random.default_rng(6)
    rows: list[dict[str, Any]] = []
    for _ in range(200):
        row: dict[str, Any] = {
            "size": float(random.normal()),
            "colour": str(random.choice(["r", "g", "b", "never seen"])),
            "member": bool(random.integers(0, 2)),
        }
        rows.append({name: None if random.random() < 0.1 else value for name, value in row.items()})
    return rows


def as_columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    def number(name: str) -> Any:
        return np.array([np.nan if row[name] is None else float(row[name]) for row in rows])

    return {
        "size": number("size"),
        "colour": np.array([r["colour"] for r in rows], dtype=object),
        "member": number("member"),
    }


def test_an_endpoint_predicts_what_the_model_predicts(package: Path, endpoint: int) -> None:
    runtime: Runtime = load(package)
    rows = rows_of()
    expected = runtime.predict(as_columns(rows))
    assert expected.probabilities is not None
    path = "/endpoints/o/shapes/v1/models/shapes:predict"
    answer = call(endpoint, "POST", path, {"instances": rows, "parameters": {"probabilities": True}})
    assert answer.json == {
        "predictions": expected.labels_or_values.tolist(),
        "probabilities": expected.probabilities.tolist(),
    }
    with RawClient(endpoint) as client:
        alone = [client.request("POST", path, {"instances": [row]}).json["predictions"] for row in rows[:50]]
    assert alone == [[label] for label in expected.labels_or_values.tolist()[:50]]


def test_explanations_come_by_column(package: Path, endpoint: int) -> None:
    answer: Any = call(endpoint, "POST", "/endpoints/o/shapes/explain", {"instances": rows_of()[:2]}).json
    assert answer["unit"] == "log-odds"
    for explanation in answer["explanations"]:
        assert set(explanation["contributions"]) == {"size", "colour", "member"}
        assert len(explanation["base"]) == len(explanation["contributions"]["size"]) == 3
