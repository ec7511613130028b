"""The model server as a process, over both protocols: answers, and refusals that name row, column and remedy."""

from __future__ import annotations

import signal
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from orrery.testing import linear
from orrery.testing.http import Answer, Process, RawClient, call
from orrery.testing.waiting import wait_until

NUMBERS = [{"name": "mean radius", "kind": "number", "nullable": False}, {"name": "mean texture", "kind": "number"}]
MIXED = [
    {"name": "age", "kind": "number", "nullable": False},
    {"name": "colour", "kind": "category", "categories": ["red", "green"]},
    {"name": "member", "kind": "boolean", "nullable": False},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("serving")
    cancer = linear.save(
        folder / "cancer",
        NUMBERS,
        [[1, 0], [0, 1]],
        [0, 0],
        ["benign", "malignant"],
        example={"instances": [{"mean radius": 1}]},
    )
    price = linear.save(
        folder / "price", MIXED, [[10], [1], [100]], [0.5], target="amount", ignored={"id": "an identifier"}
    )
    socket = str(folder / "replica.sock")
    argv = ["-m", "orrery.testing.linear", "--model", f"cancer={cancer},price={price}", "--alias", "default=cancer"]
    process = Process([*argv, "--socket", socket, "--model-version", "7"], log=folder / "log").start()
    try:
        process.wait_ready(socket)
        yield socket
    finally:
        process.stop()


def predict(server: str, model: str, instances: object, **more: object) -> Answer:
    return call(server, "POST", f"/v1/models/{model}:predict", {"instances": instances, **more})


def infer(server: str, model: str, document: dict[str, Any]) -> Answer:
    return call(server, "POST", f"/v2/models/{model}/infer", document)


def tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


# ---- V1


def test_v1_rows_may_be_lists_or_objects(server: str) -> None:
    rows = [[2, 1], {"mean texture": 5, "mean radius": 1}, {"mean radius": 3.5}, [1, None]]
    expected = {"predictions": ["benign", "malignant", "benign", "benign"]}
    assert predict(server, "cancer", rows).json == expected
    assert call(server, "POST", "/v1/models/cancer/predict", {"instances": rows}).json == expected
    assert call(server, "POST", "/v1/models/default:predict", {"instances": rows}).json == expected


def test_v1_values_are_floats_and_an_unseen_category_is_left_to_the_model(server: str) -> None:
    rows = [[1, "red", True], {"age": 2, "colour": "purple", "member": False}, [3, None, 1]]
    assert predict(server, "price", rows).json == {"predictions": [113.5, 26.5, 130.5]}


def test_v1_probabilities_come_beside_the_labels(server: str) -> None:
    answer = predict(server, "cancer", [[1, 1]], parameters={"probabilities": True}).json
    assert answer == {"predictions": ["benign"], "probabilities": [[0.5, 0.5]]}
    assert predict(server, "price", [[1, "red", True]], parameters={"probabilities": True}).status == 400


@pytest.mark.parametrize(
    ("model", "instances", "code", "words"),
    [
        ("cancer", [[1, 2], [1]], "wrong_width", ["row 1", "1 values", "takes 2", "mean radius"]),
        ("cancer", [{"mean texture": 1}], "missing_column", ["row 0", "'mean radius'"]),
        ("cancer", [{"mean radus": 1}], "unknown_column", ["'mean radus'", "did you mean 'mean radius'?"]),
        ("cancer", [[1, 2], ["two", 2]], "wrong_type", ["row 1", "'mean radius'", "'two'", "number"]),
        ("cancer", [[True, 2]], "wrong_type", ["row 0", "true is not a number"]),
        ("cancer", [[None, 2]], "missing_value", ["row 0", "'mean radius'", "null"]),
        ("cancer", [[[1], 2]], "wrong_type", ["a list is not a number"]),
        ("price", [[1, 2.5, True]], "wrong_type", ["'colour'", "2.5 is not a string"]),
        ("price", [[1, "red", "yes"]], "wrong_type", ["'member'", "'yes' is not true or false"]),
        ("cancer", [], "instances", ["empty"]),
        ("cancer", {"a": 1}, "instances", ["list of rows"]),
        ("cancer", [7], "wrong_type", ["instances[0] is 7"]),
    ],
)
def test_v1_wrong_input_is_400_and_says_where(
    server: str, model: str, instances: object, code: str, words: list[str]
) -> None:
    answer = predict(server, model, instances)
    error: Any = answer.json["error"]
    assert (answer.status, error["code"]) == (400, code)
    for word in words:
        assert word in error["message"], error


def test_columns_that_the_model_ignores_may_be_sent_along_and_the_target_may_not(server: str) -> None:
    row = {"id": 7, "age": 1, "colour": "red", "member": True}
    assert predict(server, "price", [row]).json == {"predictions": [113.5]}
    inputs = [tensor("id", "INT64", [1], [7]), tensor("age", "FP64", [1], [1]), tensor("member", "BOOL", [1], [True])]
    assert infer(server, "price", {"inputs": inputs}).status == 200
    answer = predict(server, "price", [row | {"amount": 3}])
    assert answer.status == 400 and "'amount', which the model predicts; leave it out" in answer.body.decode()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{not json", "not JSON"),
        (b"[1]", "must be a JSON object"),
        (b'{"inputs": []}', "/v2/models/<model>/infer"),
        (b"{}", "lacks 'instances'"),
        (b'{"instances": [[1, NaN]]}', "not JSON"),
        (b'{"instances": [[1, 2]], "parameters": {"proba": true}}', "'proba'"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_v1_a_body_that_is_none_is_400(server: str, body: bytes, words: str) -> None:
    answer = call(server, "POST", "/v1/models/cancer:predict", body)
    assert answer.status == 400 and words in answer.json["error"]["message"]  # type: ignore[index]


def test_v1_listing_and_unknown_models(server: str) -> None:
    assert call(server, "GET", "/v1/models").json == {"models": ["cancer", "price", "default"]}
    assert call(server, "GET", "/v1/models/cancer").json == {"name": "cancer", "ready": True}
    answer = call(server, "GET", "/v1/models/canser")
    assert answer.status == 404 and "cancer, price" in answer.body.decode()
    several = call(server, "POST", "/predict", {"instances": [[1, 2]]})
    assert several.status == 404 and "several models" in several.body.decode()
    wrong = call(server, "GET", "/v1/models/cancer:predict")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")


def test_v1_explain_gives_contributions_or_says_why_not(server: str) -> None:
    answer = call(server, "POST", "/v1/models/price:explain", {"instances": [[2, "red", True]]}).json
    assert answer == {
        "explanations": [{"base": 0.5, "contributions": {"age": 20.0, "colour": 3.0, "member": 100.0}}],
        "unit": "value",
    }
    answer = call(server, "POST", "/v1/models/cancer/explain", {"instances": [[1, 2]]})
    assert answer.status == 501 and "cannot explain" in answer.body.decode()


# ---- Open Inference Protocol


def test_oip_server_and_model_metadata(server: str) -> None:
    assert call(server, "GET", "/v2").json["name"] == "orrery"
    assert call(server, "GET", "/v2/health/live").status == call(server, "GET", "/v2/health/ready").status == 200
    expected = {
        "name": "price",
        "versions": ["7"],
        "platform": "numpy_testing-linear",
        "inputs": [
            {"name": "age", "datatype": "FP64", "shape": [-1]},
            {"name": "colour", "datatype": "BYTES", "shape": [-1]},
            {"name": "member", "datatype": "BOOL", "shape": [-1]},
        ],
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [-1]}],
    }
    assert call(server, "GET", "/v2/models/price").json == expected
    assert call(server, "GET", "/v2/models/price/versions/7").json == expected
    assert call(server, "GET", "/v2/models/price/ready").status == 200
    answer = call(server, "GET", "/v2/models/price/versions/8")
    assert (answer.status, answer.json) == (404, {"error": "model 'price' has no version '8' here; it has '7'"})


@pytest.mark.parametrize("data", [[2, 1, 1, 5], [[2, 1], [1, 5]]], ids=["flat", "nested"])
@pytest.mark.parametrize("datatype", ["FP64", "FP32", "INT64", "INT32"])
def test_oip_one_tensor_for_all_columns(server: str, data: list[Any], datatype: str) -> None:
    answer = infer(
        server,
        "cancer",
        {"id": "42", "parameters": {"trace": 1}, "inputs": [tensor("input-0", datatype, [2, 2], data)]},
    )
    document: Any = answer.json
    assert (document["id"], document["parameters"], document["model_name"], document["model_version"]) == (
        "42",
        {"trace": 1},
        "cancer",
        "7",
    )
    prediction, probabilities = document["outputs"]
    assert prediction == tensor("prediction", "BYTES", [2], ["benign", "malignant"])
    assert (probabilities["shape"], probabilities["datatype"], len(probabilities["data"])) == ([2, 2], "FP64", 4)


def test_oip_one_tensor_a_column(server: str) -> None:
    inputs = [
        tensor("member", "BOOL", [2, 1], [True, False]),
        tensor("age", "INT32", [2], [1, 2]),
        tensor("colour", "BYTES", [2], ["red", "green"]),
    ]
    document: Any = infer(server, "price", {"inputs": inputs}).json
    assert document["outputs"] == [tensor("prediction", "FP64", [2], [113.5, 25.5])]
    without_nullable: Any = infer(server, "price", {"inputs": inputs[:2]}).json
    assert without_nullable["outputs"][0]["data"] == [110.5, 20.5]


def test_oip_outputs_are_chosen_by_name(server: str) -> None:
    request = {"inputs": [tensor("x", "FP64", [1, 2], [2, 1])], "outputs": [{"name": "probabilities"}]}
    document: Any = infer(server, "cancer", request).json
    assert [output["name"] for output in document["outputs"]] == ["probabilities"]


@pytest.mark.parametrize(
    ("model", "inputs", "words"),
    [
        ("cancer", [], "'inputs' must be a list"),
        (
            "cancer",
            [tensor("x", "FP64", [1, 3], [1, 2, 3])],
            "shape is [1, 3]; one tensor for all columns has shape [n, 2]",
        ),
        ("cancer", [tensor("x", "FP64", [2, 2], [1, 2, 3])], "means 4 values, data has 3"),
        ("cancer", [tensor("x", "FP63", [1, 2], [1, 2])], "datatype is 'FP63'"),
        ("cancer", [tensor("x", "BYTES", [1, 2], ["a", "b"])], "datatype is BYTES, column 'mean radius' takes FP64"),
        ("cancer", [tensor("mean texture", "FP64", [1], [1])], "'mean radius' is missing"),
        ("cancer", [tensor("x", "FP64", [1, 2], ["a", 1])], "row 0, column 'mean radius': 'a' is not a number"),
        ("cancer", [tensor("x", "FP64", [0, 2], [])], "no rows"),
        ("cancer", [tensor("x", "FP64", [1, 2], [[1], 2])], "nested unevenly"),
        ("price", [tensor("x", "FP64", [1, 3], [1, 2, 3])], "'colour' holds categories"),
        ("price", [tensor("age", "FP64", [2], [1, 2]), tensor("member", "BOOL", [1], [True])], "has 1 rows"),
        ("price", [tensor("age", "FP64", [1], [1]), tensor("memberr", "BOOL", [1], [True])], "did you mean 'member'"),
        ("price", [tensor("age", "FP64", [1], [1]), tensor("age", "FP64", [1], [1])], "given twice"),
    ],
)
def test_oip_wrong_input_is_400_in_the_protocols_own_shape(
    server: str, model: str, inputs: list[Any], words: str
) -> None:
    answer = infer(server, model, {"inputs": inputs})
    assert answer.status == 400
    assert words in str(answer.json["error"]) and isinstance(answer.json["error"], str)


def binary_call(server: str, document: object, blob: bytes) -> Answer:
    head = orjson.dumps(document)
    header = {"Inference-Header-Content-Length": str(len(head))}
    with RawClient(server) as client:
        return client.request("POST", "/v2/models/price/infer", head + blob, header)


def binary_tensor(name: str, datatype: str, shape: list[int], blob: bytes) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(blob)}}


def test_oip_binary_tensors_in_and_out(server: str) -> None:
    ages = np.array([1, 2], dtype="<f4").tobytes()
    colours = b"".join(struct.pack("<I", len(word)) + word for word in (b"red", b"green"))
    members = np.array([True, False]).tobytes()
    document = {
        "inputs": [
            binary_tensor("age", "FP32", [2], ages),
            binary_tensor("colour", "BYTES", [2], colours),
            binary_tensor("member", "BOOL", [2], members),
        ],
        "outputs": [{"name": "prediction", "parameters": {"binary_data": True}}],
    }
    answer = binary_call(server, document, ages + colours + members)
    assert answer.status == 200, answer
    size = int(answer.headers["inference-header-content-length"])
    output: Any = orjson.loads(answer.body[:size])["outputs"][0]
    assert (output["shape"], output["parameters"]) == ([2], {"binary_data_size": 16})
    assert np.frombuffer(answer.body[size:], "<f8").tolist() == [113.5, 25.5]


@pytest.mark.parametrize(
    ("tensors", "blob", "words"),
    [
        ([binary_tensor("age", "FP64", [2], b"x" * 16)], b"x" * 8, "8 bytes are left"),
        ([binary_tensor("age", "FP64", [2], b"x" * 8)], b"x" * 8, "means 16 bytes"),
        ([binary_tensor("age", "FP64", [1], b"x" * 8)], b"x" * 9, "1 bytes follow"),
        ([binary_tensor("colour", "BYTES", [1], b"\x09\0\0\0ab")], b"\x09\0\0\0ab", "cut off"),
        ([binary_tensor("colour", "BYTES", [1], b"\x01\0\0\0\xff")], b"\x01\0\0\0\xff", "not UTF-8"),
    ],
)
def test_oip_binary_sizes_that_do_not_add_up_are_400(server: str, tensors: list[Any], blob: bytes, words: str) -> None:
    answer = binary_call(server, {"inputs": tensors}, blob)
    assert answer.status == 400 and words in str(answer.json["error"])


# ---- the process


def test_metrics_count_by_model_and_outcome(server: str) -> None:
    predict(server, "price", [[1, "red", True], [2, "red", True]])
    predict(server, "price", [["x", "red", True]])
    lines = call(server, "GET", "/metrics").body.decode().splitlines()
    values = {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}
    assert values['orrery_serving_requests_total{model="price",status="2xx"}'] >= 1
    assert values['orrery_serving_requests_total{model="price",status="4xx"}'] >= 1
    assert values['orrery_serving_rows_total{model="price"}'] >= 2
    assert values['orrery_serving_in_flight{model="price"}'] == 0
    assert values["process_cpu_seconds_total"] > 0


def test_many_rows_at_once_do_not_hold_up_others(server: str) -> None:
    rows = [[1.0, 2.0]] * 50_000
    with RawClient(server) as big, RawClient(server) as small:
        body = orjson.dumps({"instances": rows})
        big.send(b"POST /v1/models/cancer:predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert small.request("GET", "/v2/health/live").status == 200
        answer = big.answer()
        assert len(answer.json["predictions"]) == 50_000  # type: ignore[arg-type]


def test_a_replica_finds_its_model_and_socket_in_the_environment_and_drains_on_sigterm(tmp_path: Path) -> None:
    linear.save(tmp_path / "work" / "model", NUMBERS, [[1, 0], [0, 1]], [0, 0], ["a", "b"], name="from-package")
    socket = tmp_path / "replica.sock"
    environment = {"ORRERY_SOCKET": str(socket), "ORRERY_WORK_DIR": str(tmp_path / "work")}
    process = Process(["-m", "orrery.testing.linear"], environment, tmp_path / "log").start()
    try:
        process.wait_ready(str(socket))
        assert call(str(socket), "GET", "/v1/models").json == {"models": ["from-package"]}
        with RawClient(str(socket)) as client:
            client.send(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 23\r\n\r\n")
            process.signal(signal.SIGTERM)
            wait_until(lambda: not socket.exists())
            client.send(b'{"instances": [[1, 2]]}')
            answer = client.answer()
            assert (answer.json, answer.headers["connection"]) == ({"predictions": ["b"]}, "close")
        assert process.wait() == 0
    finally:
        process.stop()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "format is 2"),
        ({"runtime": "nonsense"}, "runtime 'nonsense' is not known here"),
        ({"inputs": []}, "inputs is empty"),
        ({"inputs": [{"name": "a"}, {"name": "a"}]}, "column 'a' twice"),
        ({"files": {"model": "../weights.json"}}, "path inside the folder"),
        ({"files": {"model": "gone.json"}}, "gone.json"),
        ({"example": {"instances": [[1, 2, 3]]}}, "cannot predict its own example"),
        (None, "orrery-model.json is not there"),
    ],
)
def test_a_package_that_cannot_be_served_ends_the_process_with_the_reason(
    tmp_path: Path, change: dict[str, Any] | None, words: str
) -> None:
    folder = linear.save(tmp_path / "model", NUMBERS, [[1, 0], [0, 1]], [0, 0], ["a", "b"])
    metadata = folder / "orrery-model.json"
    if change is None:
        metadata.unlink()
    else:
        metadata.write_bytes(orjson.dumps(orjson.loads(metadata.read_bytes()) | change))
    log = tmp_path / "log"
    argv = ["-m", "orrery.testing.linear", "--model", f"m={folder}", "--socket", str(tmp_path / "s")]
    process = Process(argv, log=log).start()
    try:
        assert process.wait() != 0
        assert words in log.read_text()
    finally:
        process.stop()
