"""What torchrun starts for each rank: it joins the rank's own output, then becomes the user's script.

Run by its path with the Python of the algorithm's environment, where nothing of ours need be installed; standard
library only. `python rank.py FOLDER ENTRY ARGUMENT...`: FOLDER holds a named pipe for each local rank; the first line
in it is the rank's process id.
"""

import os
import sys


def main() -> None:
    folder, entry, *arguments = sys.argv[1:]
    output = os.open(f"{folder}/{os.environ['LOCAL_RANK']}", os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.write(1, f"{os.getpid()}\n".encode())
    # whoever measures the job knows by it whose a process is
    os.environ["ORRERY_RANK"] = os.environ["RANK"]
    # the same process: its id and its end are the script's own
    os.execv(sys.executable, [sys.executable, "-u", entry, *arguments])


if __name__ == "__main__":
    main()
