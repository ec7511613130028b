"""`/docs`: Swagger UI from our own server; a platform inside a closed network shows it as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

ASSETS = Path(fastapi_offline.__file__).parent / "static"


def install(app: FastAPI) -> None:
    """Serve the page and its script and style; all paths follow the base path the app is mounted at."""

    @app.get("/docs", include_in_schema=False)
    def page(request: Request) -> HTMLResponse:  # pyright: ignore[reportUnusedFunction]
        base = str(request.scope.get("root_path", "")).rstrip("/")
        return get_swagger_ui_html(
            openapi_url=f"{base}{app.openapi_url}",
            title=f"{app.title} - Swagger UI",
            swagger_js_url=f"{base}/docs/assets/swagger-ui-bundle.js",
            swagger_css_url=f"{base}/docs/assets/swagger-ui.css",
            swagger_favicon_url=f"{base}/docs/assets/favicon.png",
            swagger_ui_parameters={"docExpansion": "none", "tryItOutEnabled": True},
        )

    describe = app.openapi

    def with_tokens() -> dict[str, Any]:
        document = describe()
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        return document

    # FastAPI's own way to extend the document: https://fastapi.tiangolo.com/how-to/extending-openapi/
    app.openapi = with_tokens  # pyright: ignore[reportAttributeAccessIssue]
    app.mount("/docs/assets", StaticFiles(directory=ASSETS), name="docs-assets")
