"""torchrun, with the failures of its ranks told as JSON instead of a report for people.

Run by its path with the Python of the algorithm's environment, where nothing of ours need be installed: standard
library and torch. `python -P torchrun.py FAILURE_FILE TORCHRUN_ARGUMENT...`
"""

# pyright: basic, reportMissingImports=false
import json
import sys

EXIT_NO_TORCH = 78


def main() -> int:
    failure_file, *arguments = sys.argv[1:]
    try:
        from torch.distributed import run
        from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    except ImportError as missing:
        print(f"torchrun cannot be started: {missing}", file=sys.stderr)
        return EXIT_NO_TORCH
    try:
        run.run(run.parse_args(arguments))
    except ChildFailedError as failed:
        told = [{"rank": rank, "status": f.exitcode, "pid": f.pid} for rank, f in failed.failures.items()]
        with open(failure_file, "w") as file:
            json.dump(told, file)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
