"""What an idle platform costs: memory of all its processes together (PSS) and processor time.

To stay under 250 MB and 1 % of a core. MLflow's own server, started on first use, is not among them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from orrery.testing.platform import RunningPlatform, cpu_seconds, descendants

SETTLE_SECONDS = 5.0
WATCH_SECONDS = 30.0
LIMIT_MB = 250.0
LIMIT_PERCENT = 1.0


def pss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1000
    return 0.0


def name_of(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return next((name for name in ("orrery.gateway", "zygote") if name in command), "platform")


def main() -> int:
    home = Path(tempfile.mkdtemp(prefix="orr-bench-"))
    with RunningPlatform(home) as platform:
        time.sleep(SETTLE_SECONDS)
        pids = descendants(platform.pid)
        before = sum(cpu_seconds(pid) for pid in pids)
        time.sleep(WATCH_SECONDS)
        percent = (sum(cpu_seconds(pid) for pid in pids) - before) / WATCH_SECONDS * 100
        memory = {f"{name_of(pid)} ({pid})": round(pss_mb(pid), 1) for pid in pids}
    total = sum(memory.values())
    print(json.dumps({"pss_mb": memory, "total_mb": round(total, 1), "cpu_percent": round(percent, 2)}, indent=2))
    return 0 if total < LIMIT_MB and percent < LIMIT_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
