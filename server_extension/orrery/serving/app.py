"""The model server's routes, over the shared HTTP layer.

Errors of `/v2` paths have the Open Inference Protocol's shape, `{"error": "text"}`, all others the platform's
`{"error": {"code", "message", "details"}}`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import orjson

from orrery._version import __version__
from orrery.serving import oip, v1
from orrery.serving.batching import Batcher, Work
from orrery.serving.http import Exchange, HttpError
from orrery.serving.metrics import Metrics, ModelMetrics
from orrery.serving.runtimes import NotSupported, Prediction, Runtime
from orrery.serving.schema import InputSchema

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 64 << 20
_BINARY_HEADER: Final = b"inference-header-content-length"


@dataclass(frozen=True)
class ServedModel:
    """A loaded model with what serving it needs. Made on the event loop."""

    name: str
    version: str
    runtime: Runtime
    schema: InputSchema
    batcher: Batcher
    metrics: ModelMetrics

    @classmethod
    def of(cls, name: str, version: str, runtime: Runtime, metrics: Metrics) -> ServedModel:
        schema = InputSchema(runtime.metadata)
        model_metrics = metrics.model(name)
        return cls(name, version, runtime, schema, Batcher(runtime, schema, model_metrics), model_metrics)


class ModelServer:
    """The application. It listens before its models are loaded, so that `live` and `ready` can differ."""

    def __init__(self, *, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self.metrics = Metrics()
        self._max_body_bytes = max_body_bytes
        self._models: dict[str, ServedModel] = {}
        self._only: ServedModel | None = None
        self.ready = False

    def serve(self, models: Mapping[str, ServedModel]) -> None:
        """Begin to answer for these models, by name or alias."""
        self._models = dict(models)
        distinct = list({id(model): model for model in models.values()}.values())
        self._only = distinct[0] if len(distinct) == 1 else None
        self.ready = True

    def on_request(self, exchange: Exchange) -> None:
        segments = exchange.head.path.decode("latin-1").split("/")[1:]
        if segments[0] == "v2":
            exchange.oip_errors = True
            self._route_v2(exchange, segments[1:])
        elif segments[0] == "v1" and len(segments) > 1 and segments[1] == "models":
            self._route_v1(exchange, segments[2:])
        elif segments == ["predict"] or segments == ["explain"]:
            _only_method(exchange, "POST")
            self._infer_v1(exchange, self._the_only(), segments[0])
        elif segments == ["metrics"]:
            _only_method(exchange, "GET")
            exchange.respond(200, self.metrics.render(), b"text/plain; version=0.0.4; charset=utf-8")
        else:
            raise _no_route(exchange)

    # ---- V1

    def _route_v1(self, exchange: Exchange, segments: list[str]) -> None:
        if not segments or segments == [""]:
            _only_method(exchange, "GET")
            _json(exchange, {"models": list(self._models)})
            return
        name, verb = unquote(segments[0]), ""
        if len(segments) == 2:
            verb = segments[1]
        elif len(segments) == 1 and ":" in name and name not in self._models:
            name, _, verb = name.rpartition(":")
        elif len(segments) > 2:
            raise _no_route(exchange)
        model = self._model(name)
        if verb in ("predict", "explain"):
            _only_method(exchange, "POST")
            self._infer_v1(exchange, model, verb)
        elif verb == "":
            _only_method(exchange, "GET")
            _json(exchange, {"name": name, "ready": True})
        else:
            raise _no_route(exchange)

    def _infer_v1(self, exchange: Exchange, model: ServedModel, verb: str) -> None:
        answer = self._predict_v1 if verb == "predict" else self._explain_v1
        self._collect(exchange, model, lambda body: answer(exchange, model, body))

    def _predict_v1(self, exchange: Exchange, model: ServedModel, body: bytes) -> None:
        request = v1.parse_request(body, model.schema)

        def done(prediction: Prediction) -> None:
            exchange.respond(200, v1.encode_prediction(prediction, request.wants_probabilities))

        self._submit(exchange, model, done, Work(request.rows, None, len(request.rows)))

    def _explain_v1(self, exchange: Exchange, model: ServedModel, body: bytes) -> None:
        request = v1.parse_request(body, model.schema)

        def explain() -> bytes:
            explanation = model.runtime.explain(model.schema.to_columns(request.rows))
            return v1.encode_explanation(explanation, model.schema.names)

        def done(found: bytes | BaseException) -> None:
            if isinstance(found, bytes):
                exchange.respond(200, found)
                model.metrics.answered(200, time.perf_counter() - exchange.started_at)
            elif isinstance(found, NotSupported):
                message = str(found) or f"model {model.name!r} cannot explain its predictions; use predict"
                self._finish(exchange, model, HttpError(501, "not_supported", message))
            else:
                log.error("explanation failed", exc_info=found, extra={"action": "explain"})
                message = f"the model failed on this input: {found}"
                self._finish(exchange, model, HttpError(500, "model_failed", message))

        model.batcher.run_beside(explain, done)

    # ---- Open Inference Protocol

    def _route_v2(self, exchange: Exchange, segments: list[str]) -> None:
        if not segments or segments == [""]:
            _only_method(exchange, "GET")
            _json(exchange, {"name": "orrery", "version": __version__, "extensions": ["binary_tensor_data"]})
        elif segments == ["health", "live"]:
            _json(exchange, {"live": True})
        elif segments == ["health", "ready"]:
            _json(exchange, {"ready": self.ready}, 200 if self.ready else 503)
        elif segments[0] == "models" and len(segments) > 1:
            name, rest = unquote(segments[1]), segments[2:]
            model = self._model(name)
            if len(rest) >= 2 and rest[0] == "versions":
                if unquote(rest[1]) != model.version:
                    message = f"model {name!r} has no version {unquote(rest[1])!r} here; it has {model.version!r}"
                    raise HttpError(404, "not_found", message)
                rest = rest[2:]
            self._route_model(exchange, name, model, rest)
        else:
            raise _no_route(exchange)

    def _route_model(self, exchange: Exchange, name: str, model: ServedModel, rest: list[str]) -> None:
        if rest == ["infer"]:
            _only_method(exchange, "POST")
            self._collect(exchange, model, lambda body: self._infer_v2(exchange, name, model, body))
        elif rest == []:
            _only_method(exchange, "GET")
            _json(exchange, describe(name, model))
        elif rest == ["ready"]:
            _json(exchange, {"name": name, "ready": True})
        else:
            raise _no_route(exchange)

    def _infer_v2(self, exchange: Exchange, name: str, model: ServedModel, body: bytes) -> None:
        header = exchange.head.get(_BINARY_HEADER)
        if header is not None and not header.isdigit():
            raise HttpError(
                400,
                "bad_tensor",
                f"Inference-Header-Content-Length is {header.decode('latin-1')!r}; it must be a number",
            )
        request = oip.parse_request(body, None if header is None else int(header), model.schema)

        def done(prediction: Prediction) -> None:
            answer, json_length = oip.encode_response(request, prediction, model.runtime.metadata, name, model.version)
            if json_length is None:
                exchange.respond(200, answer)
            else:
                line = b"%b: %d\r\n" % (_BINARY_HEADER, json_length)
                exchange.respond(200, answer, b"application/octet-stream", line)

        self._submit(exchange, model, done, Work(request.rows, request.columns, request.n_rows))

    # ---- shared

    def _collect(self, exchange: Exchange, model: ServedModel, answer: Callable[[bytes], None]) -> None:
        def done(body: bytes) -> None:
            try:
                answer(body)
            except HttpError as error:
                self._finish(exchange, model, error)

        exchange.collect(self._max_body_bytes, done)

    def _submit(self, exchange: Exchange, model: ServedModel, done: Callable[[Prediction], None], work: Work) -> None:
        def answered(prediction: Prediction) -> None:
            try:
                done(prediction)
            except HttpError as error:
                self._finish(exchange, model, error)
            else:
                model.metrics.answered(exchange.status, time.perf_counter() - exchange.started_at)

        def failed(error: Exception) -> None:
            message = f"the model failed on this input: {error}"
            self._finish(exchange, model, HttpError(500, "model_failed", message))

        work.done, work.failed = answered, failed
        model.batcher.submit(work)

    def _finish(self, exchange: Exchange, model: ServedModel, error: HttpError) -> None:
        exchange.fail(error)
        model.metrics.answered(error.status, time.perf_counter() - exchange.started_at)

    def _model(self, name: str) -> ServedModel:
        self._check_ready()
        try:
            return self._models[name]
        except KeyError:
            known = ", ".join(self._models)
            raise HttpError(404, "not_found", f"there is no model {name!r} here; there is {known}") from None

    def _the_only(self) -> ServedModel:
        self._check_ready()
        if self._only is None:
            known = ", ".join(self._models)
            raise HttpError(
                404, "not_found", f"several models are served here; use /v1/models/<model>:predict with one of {known}"
            )
        return self._only

    def _check_ready(self) -> None:
        if not self.ready:
            raise HttpError(
                503, "starting", "the model is still being loaded; try again", headers=b"retry-after: 1\r\n"
            )


def describe(name: str, model: ServedModel) -> dict[str, object]:
    """OIP's model metadata."""
    metadata = model.runtime.metadata
    return {
        "name": name,
        "versions": [model.version],
        "platform": f"{metadata.framework}_{metadata.runtime}" if metadata.framework else metadata.runtime,
        "inputs": [{"name": c.name, "datatype": c.datatype, "shape": [-1]} for c in metadata.inputs],
        "outputs": [{"name": o.name, "datatype": o.datatype, "shape": list(o.shape)} for o in metadata.outputs],
    }


def _json(exchange: Exchange, document: object, status: int = 200) -> None:
    exchange.respond(status, orjson.dumps(document))


def _only_method(exchange: Exchange, method: str) -> None:
    if exchange.head.method != method and not (method == "GET" and exchange.head.method == "HEAD"):
        message = f"{exchange.head.method} is not allowed here; use {method}"
        raise HttpError(405, "method_not_allowed", message, headers=f"allow: {method}\r\n".encode())


def _no_route(exchange: Exchange) -> HttpError:
    path = exchange.head.path.decode("latin-1")[:120]
    return HttpError(404, "not_found", f"there is nothing at {path}; try /v1/models, /v2, /predict or /metrics")
