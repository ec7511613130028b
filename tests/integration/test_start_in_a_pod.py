"""The program that images of notebooks start with, as a plain program under what a pod allows it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orrery_hub.kubernetes.pod import ROOT_CAPABILITIES, make_command
from orrery_hub.kubernetes.site import Site

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="a start as root is tested as root"),
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv (util-linux) is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("orrery_hub.start") is None, reason="orrery_hub.start is not there"),
]
SCRIPT = "#!/bin/sh\nid -u\ntouch made && chown 12345 made\ngrep ^CapBnd /proc/self/status\n"


def test_with_a_pods_few_capabilities_scripts_are_root_and_the_server_has_left_it(tmp_path: Path) -> None:
    scripts = tmp_path / "cont-init.d"
    scripts.mkdir()
    (scripts / "10-setup.sh").write_text(SCRIPT)
    (scripts / "10-setup.sh").chmod(0o755)
    allowed = ",".join(["-all", *(f"+{name.lower()}" for name in ROOT_CAPABILITIES)])
    python, *words = make_command(Site(user="12345:12345"))
    assert python == "python"
    start = [sys.executable, *words[: words.index("--") + 1], "cat", "/proc/self/status"]
    limits = ["setpriv", "--no-new-privs", "--inh-caps", allowed, "--bounding-set", allowed]
    environment = {**os.environ, "ORRERY_DATA_DIR": str(tmp_path)}
    done = subprocess.run([*limits, *start], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)

    output = (scripts / "10-setup.sh.output").read_text().split()
    assert (scripts / "10-setup.sh.exitcode").read_text().strip() == "0"
    assert output[0] == "0"
    assert int(output[-1], 16).bit_count() == len(ROOT_CAPABILITIES)
    status = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"12345"}
    assert (
        int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapInh"], 16) & int(status["CapAmb"], 16)
    )
    assert status["NoNewPrivs"].strip() == "1"
