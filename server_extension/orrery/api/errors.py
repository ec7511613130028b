"""Errors as HTTP answers: in one JSON shape."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from orrery import errors
from orrery.domain.problems import names_beside, place_of, say, tell
from orrery.http_status import status_of
from orrery.plain_json import check_plain, make_plain

log = logging.getLogger(__name__)

_CODES: Final = {
    404: "not_found",
    405: "method_not_allowed",
    401: "unauthenticated",
    403: "forbidden",
    400: "bad_request",
}


def error_body(code: str, message: str, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "details": dict(details or {})}}


class ErrorAnswer(JSONResponse):
    """JSON, whatever the error quotes of the request: an answer that fails would hide why."""

    def render(self, content: Any) -> bytes:
        return super().render(make_plain(content))


async def check_body(request: Request) -> None:
    """Of every route that takes JSON, before its fields are looked at. Raises: Invalid for what JSON cannot hold."""
    if getattr(request.scope.get("route"), "body_field", None) is None:
        return
    try:
        body = await request.json()
    except ValueError:
        return  # no JSON at all: the route's own validation says so
    check_plain(body)


def answer(error: errors.OrreryError) -> JSONResponse:
    status = status_of(error)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {"Retry-After": "1"} if status == 503 else None
    return ErrorAnswer(error_body(error.code, error.message, error.details), status, headers)


def install(app: FastAPI) -> None:
    """Make every failure of `app` answer in the one shape."""

    @app.exception_handler(errors.OrreryError)
    async def platform_error(request: Request, error: errors.OrreryError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        if status_of(error) >= 500:
            log.error("%s %s: %s", request.method, request.url.path, error.message, extra={"action": "request_failed"})
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        field = getattr(request.scope.get("route"), "body_field", None)
        model = None if field is None else field.field_info.annotation
        return ErrorAnswer(*validation_body(error.errors(), error.body, model))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        code = _CODES.get(error.status_code, "http_error")
        message = str(error.detail)
        if error.status_code == 404:
            message = f"there is nothing at {request.url.path}; /docs lists what there is"
        elif error.status_code == 405:
            message = f"{request.method} is not possible at {request.url.path}"
        return ErrorAnswer(error_body(code, message), error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        log.exception(
            "%s %s failed", request.method, request.url.path, exc_info=error, extra={"action": "request_failed"}
        )
        message = "the platform made a mistake; its log says more. Trying again may help"
        return ErrorAnswer(error_body("internal", message), 500)


def validation_body(problems: Any, body: Any, model: Any = None) -> tuple[dict[str, Any], int]:
    """FastAPI's list of problems in our shape: (body, status). A body that is no JSON is 400.

    `model`: what the body was to be, for the names of fields that were meant.
    """
    fields: list[dict[str, str]] = []
    for problem in problems:
        where, *parts = problem["loc"]
        if where not in ("body", "query", "path", "header"):
            parts = problem["loc"]
        location = [str(part) for part in (place_of(body, parts) if where == "body" else parts)]
        if problem["type"] == "json_invalid":
            reason = problem.get("ctx", {}).get("error", "")
            return error_body("bad_json", f"the body is not JSON (at character {problem['loc'][-1]}: {reason})"), 400
        fields.append({"path": ".".join(location), "message": say(problem, names_beside(model, location))})
    return error_body("invalid", tell(fields), {"fields": fields}), 422
