"""Starts a kernel in an environment, activated: `python -I environment_kernel.py PREFIX [--lend] -- COMMAND...`.

Run by its path, in the server's own Python, it becomes the kernel. It sets what activating the environment would set,
sources `etc/conda/activate.d`, and with `--lend` lets the kernel use the server's ipykernel where the environment has
none: only ipykernel and what that requires, and only after the environment's own packages.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

#: sources each script, then becomes the command; what is named comes as arguments, never as text of the program
ACTIVATE: Final = (
    'for script in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do [ -r "$script" ] && . "$script"; done; exec "$@"'
)
#: appended, so that whatever the environment has is its own
LENT: Final = """
import sys
sys.path.append(sys.argv.pop(1))
import runpy
runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
"""


def activated(prefix: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that `conda activate` or `bin/activate` would set."""
    changed = {name: value for name, value in environment.items() if name not in ("PYTHONHOME", "VIRTUAL_ENV")}
    changed["PATH"] = os.pathsep.join([str(prefix / "bin"), environment.get("PATH", os.defpath)])
    if (prefix / "conda-meta").is_dir():
        changed |= {"CONDA_PREFIX": str(prefix), "CONDA_DEFAULT_ENV": str(prefix), "CONDA_SHLVL": "1"}
    else:
        changed["VIRTUAL_ENV"] = str(prefix)
    return changed


def activated_command(prefix: Path, command: Sequence[str]) -> list[str]:
    scripts = prefix / "etc" / "conda" / "activate.d"
    if not scripts.is_dir() or not any(scripts.glob("*.sh")):
        return list(command)
    # conda's scripts are written for bash; sh gives up at the first mistake in one
    shell = shutil.which("bash") or "/bin/sh"
    return [shell, "-c", ACTIVATE, "activate", *command]


def required_distributions(name: str) -> Iterator[importlib.metadata.Distribution]:
    """A distribution of this Python and everything that it needs without extras."""
    left, seen = [name], set[str]()
    while left:
        current = re.sub(r"[-_.]+", "-", left.pop()).lower()
        if current in seen:
            continue
        seen.add(current)
        try:
            distribution = importlib.metadata.distribution(current)
        except importlib.metadata.PackageNotFoundError:
            continue  # required on other systems only
        yield distribution
        for requirement in distribution.requires or ():
            if "extra ==" not in requirement:
                left.append(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])


def lend_kernel(parent: Path) -> Path:
    """A folder of links to ipykernel and what it requires, made once for each version."""
    version = importlib.metadata.version("ipykernel")
    digest = hashlib.sha256(f"{sys.prefix} {version}".encode()).hexdigest()[:12]
    folder = parent / f"lent-ipykernel-{digest}"
    if folder.is_dir():
        return folder
    made = Path(tempfile.mkdtemp(prefix="lent-", dir=parent))
    for distribution in required_distributions("ipykernel"):
        tops = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "/", "__pycache__")}
        for top in tops:
            source, link = Path(str(distribution.locate_file(top))), made / top
            if source.exists() and not link.is_symlink():
                link.symlink_to(source)
    try:
        made.rename(folder)
    except OSError:
        shutil.rmtree(made)  # another kernel was first
    return folder


def main(words: Sequence[str]) -> None:
    options, _, command = (list(part) for part in split(words))
    prefix = Path(options[0])
    if not prefix.is_dir():
        sys.exit(f"the environment {prefix} is gone; choose another kernel")
    if "--lend" in options:
        # beside the connection file: that folder is nobody else's
        lent = lend_kernel(Path(command[-1]).parent)
        command = [command[0], "-c", LENT, str(lent), *command[1:]]
    command = activated_command(prefix, command)
    environment = activated(prefix, os.environ)
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        sys.exit(f"{command[0]} of the environment {prefix} cannot be started: {error.strerror}")


def split(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    at = list(words).index("--")
    return words[:at], words[at : at + 1], words[at + 1 :]


if __name__ == "__main__":
    main(sys.argv[1:])
