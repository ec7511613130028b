"""`make bench`: run every benchmark, or those whose name contains an argument; each prints its figures as JSON.

A benchmark fails when a figure misses what the platform promises. Run them on a machine that does nothing else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(wanted: list[str]) -> int:
    browser = [HERE / "browser" / f"{name}.py" for name in ("first_rows", "burst", "open_pages")]
    found = [*sorted((HERE / "platform").glob("*.py")), HERE / "jobs" / "run.py", HERE / "serving" / "run.py", *browser]
    failed: list[str] = []
    for script in found:
        name = str(script.relative_to(HERE).with_suffix(""))
        if wanted and not any(word in name for word in wanted):
            continue
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, str(script)], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"missed what is promised: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
