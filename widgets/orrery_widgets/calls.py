"""An endpoint's call as programs write it: curl, Python, JavaScript. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from orrery_widgets import code

LANGUAGES = ("Python", "curl", "JavaScript")


def predict_address(url: str, name: str) -> str:
    """KServe's V1 address of the endpoint at `url`."""
    return f"{url}/v1/models/{quote(name, safe='')}:predict"


def make_body(rows: Sequence[Any], *, probabilities: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"instances": list(rows)}
    if probabilities:
        body["parameters"] = {"probabilities": True}
    return body


def in_python(endpoint: str, rows: Sequence[Any], *, probabilities: bool = False) -> str:
    """With the SDK; probabilities are the field `probabilities` of the whole answer."""
    statements = [f"rows = {code.literal(list(rows))}"]
    statements.append(code.call("client.endpoints.get", endpoint, result="endpoint"))
    if probabilities:
        statements.append('answer = endpoint.ask(rows, parameters={"probabilities": True})')
        statements.append('print(answer["predictions"], answer["probabilities"])')
    else:
        statements.append("print(endpoint.predict(rows))")
    return code.program(*statements)


def in_curl(address: str, body: Mapping[str, Any], *, with_token: bool) -> str:
    """The token comes from the environment, so that it is in no shell's history."""
    lines = [f"curl --fail-with-body {shell_quote(address)}", "-H 'Content-Type: application/json'"]
    if with_token:
        lines.append('-H "Authorization: Bearer $ORRERY_TOKEN"')
    lines.append(f"-d {shell_quote(json.dumps(body, ensure_ascii=False))}")
    return " \\\n  ".join(lines)


def in_javascript(address: str, body: Mapping[str, Any], *, with_token: bool) -> str:
    token = "\n    Authorization: `Bearer ${process.env.ORRERY_TOKEN}`," if with_token else ""
    shown = json.dumps(body, indent=2, ensure_ascii=False).replace("\n", "\n  ")
    return (
        f"const answer = await fetch({json.dumps(address)}, {{\n"
        '  method: "POST",\n'
        f'  headers: {{\n    "Content-Type": "application/json",{token}\n  }},\n'
        f"  body: JSON.stringify({shown}),\n"
        "});\n"
        "if (!answer.ok) throw new Error(await answer.text());\n"
        "console.log(await answer.json());"
    )


def shell_quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
