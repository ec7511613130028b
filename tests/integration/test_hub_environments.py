"""Through a real hub: start-up scripts run before the server, and environments made in it are kernels."""

from __future__ import annotations

import subprocess
import sys
from itertools import count

from orrery.testing.hub import Hub
from orrery.testing.kernels import run_in_kernel
from orrery_hub.start.records import read_starts

NUMBERS = count(1)


def test_scripts_run_before_a_hubs_server_and_their_environment_is_its_kernel(hub: Hub) -> None:
    account = hub.sign_up(f"paula{next(NUMBERS)}")
    data = hub.home / "users" / account.name / "notebooks"
    scripts = data / "cont-init.d"
    scripts.mkdir(parents=True)
    script = scripts / "10-environment.sh"
    script.write_text(
        f'#!/bin/sh\n"{sys.executable}" -m venv --without-pip "$CONDA_ENVS_PATH/made"\n'
        'cd "$CONDA_ENVS_PATH"/made/lib/python3.*/site-packages && echo "answer = 42" > made_here.py\n'
    )
    script.chmod(0o755)
    path = account.start_server()
    assert (scripts / "10-environment.sh.exitcode").read_text() == "0\n"
    assert [start["state"] for start in read_starts(data)] == ["complete"]
    code = "import made_here, sys; print(made_here.answer, sys.prefix)"
    expected = f"42 {data}/custom-conda-envs/made"
    assert run_in_kernel(account.browser, path, code, kernel="env-made").strip() == expected
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", data / "custom-conda-envs" / "later"], check=True)
    assert "env-later" in account.browser.get(f"{path}api/kernelspecs").json()["kernelspecs"]
