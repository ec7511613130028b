"""Builds the images of variants.json, the platform's and the hub's: `make images REGISTRY=registry.example.org/orrery`.

Each is tagged `REGISTRY/KIND:VERSION-VARIANT-CORE`, the two services `REGISTRY/platform:VERSION` and
`REGISTRY/hub:VERSION`.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SERVICES = ("platform", "hub")


def read_version() -> str:
    text = (ROOT / "server_extension" / "orrery" / "_version.py").read_text()
    return re.findall(r'__version__ = "([^"]+)"', text)[0]


def read_variants() -> dict[str, dict[str, str]]:
    return {variant["name"]: variant for variant in json.loads((ROOT / "images" / "variants.json").read_text())}


def make_command(name: str, container: str, registry: str, version: str, arguments: list[str]) -> list[str]:
    """`arguments` are build arguments, `NAME=VALUE`, that come last and so win."""
    common = [f"VERSION={version}"]
    if name in SERVICES:
        where = ["--file", "images/Containerfile.services", "--target", name, "--tag", f"{registry}/{name}:{version}"]
    else:
        given = read_variants()[name]
        tag = f"{registry}/{given['kind']}:{version}-{given['variant']}-{given['core']}"
        where = ["--file", "images/Containerfile", "--tag", tag]
        common += [f"{key.upper()}={given[key]}" for key in ("kind", "variant", "core", "framework_version")]
    words = [word for argument in [*common, *arguments] for word in ("--build-arg", argument)]
    return [container, "build", *where, *words, "."]


def main(words: list[str]) -> None:
    names = [*read_variants(), *SERVICES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", default="orrery")
    parser.add_argument("--container", default="docker", help="docker or podman")
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    parser.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE", help="a further build argument")
    parser.add_argument("--dry-run", action="store_true", help="say the commands and run none")
    given = parser.parse_args(words)
    for name in given.only or names:
        command = make_command(name, given.container, given.registry, read_version(), given.arg)
        print(shlex.join(command), flush=True)
        if not given.dry_run:
            subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
