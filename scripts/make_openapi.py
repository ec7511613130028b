"""Write labextension/openapi.json, which the extension's types are generated from."""

from __future__ import annotations

import json
from pathlib import Path

from orrery.api.assembly import make_openapi

TARGET = Path(__file__).parents[1] / "labextension" / "openapi.json"

if __name__ == "__main__":
    TARGET.write_text(json.dumps(make_openapi(), indent=1, sort_keys=True) + "\n")
