"""KServe's V1 protocol: `{"instances": [...]}` in, `{"predictions": [...]}` out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import orjson

from orrery.serving.http.messages import HttpError
from orrery.serving.schema import InputSchema, Row

if TYPE_CHECKING:
    from orrery.serving.runtimes import Explanation, Prediction


@dataclass(frozen=True)
class V1Request:
    rows: list[Row]
    wants_probabilities: bool = False


def parse_json(body: bytes) -> dict[str, object]:
    """Raises `HttpError` 400."""
    try:
        document = cast("object", orjson.loads(body))
    except orjson.JSONDecodeError as error:
        shown = body[:40].decode("utf-8", "replace")
        raise HttpError(
            400, "not_json", f"the body is not JSON: {error.msg} at character {error.pos}; it begins {shown!r}"
        ) from None
    if not isinstance(document, dict):
        raise HttpError(400, "not_json", "the body must be a JSON object")
    return cast("dict[str, object]", document)


def parse_request(body: bytes, schema: InputSchema) -> V1Request:
    """Raises `HttpError` 400."""
    document = parse_json(body)
    if "instances" not in document:
        if "inputs" in document:
            raise HttpError(
                400,
                "instances",
                "the body has 'inputs'; the V1 protocol takes 'instances', or send it to /v2/models/<model>/infer",
            )
        raise HttpError(400, "instances", "the body lacks 'instances'; send {\"instances\": [[...], ...]}")
    parameters = document.get("parameters")
    wants = False
    if parameters is not None:
        if not isinstance(parameters, dict):
            raise HttpError(400, "parameters", "parameters must be an object")
        for name, value in cast("dict[str, object]", parameters).items():
            if name != "probabilities":
                raise HttpError(400, "parameters", f"parameter {name!r} is not known; there is 'probabilities'")
            if not isinstance(value, bool):
                raise HttpError(400, "parameters", f"parameters.probabilities is {value!r}; it must be true or false")
            wants = value
    return V1Request(schema.read_instances(document["instances"]), wants)


def encode_prediction(prediction: Prediction, wants_probabilities: bool) -> bytes:
    """NaN, which JSON has no word for, becomes null. Raises `HttpError` 400."""
    answer: dict[str, object] = {"predictions": prediction.labels_or_values.tolist()}
    if wants_probabilities:
        if prediction.probabilities is None:
            raise HttpError(400, "parameters", "this model gives no probabilities; leave the parameter out")
        answer["probabilities"] = prediction.probabilities.tolist()
    return orjson.dumps(answer)


def encode_explanation(explanation: Explanation, names: list[str]) -> bytes:
    """One object a row; contributions by column name, each a number, or a list with one number a class."""
    rows: list[dict[str, object]] = []
    for base, contributions in zip(explanation.base.tolist(), explanation.contributions, strict=True):
        rows.append({"base": base, "contributions": dict(zip(names, contributions.T.tolist(), strict=True))})
    return orjson.dumps({"explanations": rows, "unit": explanation.unit})
