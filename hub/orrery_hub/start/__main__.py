"""`python -P -m orrery_hub.start [--user NAME] [-- COMMAND...]`: the scripts, then the command in this very process.

Without a command it ends after the scripts. `-P`: nothing in the folder that it starts in is imported.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from orrery_hub.start.account import Account, UnknownAccount, account_environment, become, find_account
from orrery_hub.start.environment import ENVIRONMENTS_FOLDER, make_variables
from orrery_hub.start.records import SCRIPTS_FOLDER
from orrery_hub.start.run import Ended, run_scripts


def parse(arguments: Sequence[str]) -> tuple[Account | None, list[str]]:
    parser = argparse.ArgumentParser(
        prog="python -m orrery_hub.start",
        description="Run the scripts of $ORRERY_DATA_DIR/cont-init.d, then COMMAND in the same process.",
    )
    parser.add_argument("--user", help="become this account (name, uid or uid:gid) after the scripts; needs root")
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="after --; none: end after the scripts")
    chosen = parser.parse_args(arguments)
    try:
        account = find_account(chosen.user) if chosen.user else None
    except UnknownAccount as error:
        parser.error(str(error))
    if account is not None and os.geteuid() != 0:
        if account.uid != os.geteuid():
            parser.error(f"--user {chosen.user}: only root can become another account, and this is uid {os.geteuid()}")
        account = None
    return account, chosen.command


def prepare(data_folder: Path, account: Account | None) -> None:
    """The two folders that people put things into; a volume that cannot be written is told of by what needs it."""
    for folder in (data_folder, data_folder / SCRIPTS_FOLDER, data_folder / ENVIRONMENTS_FOLDER):
        if not folder.exists():
            try:
                folder.mkdir(parents=True)
                if account is not None:
                    os.chown(folder, account.uid, account.gid)
            except OSError as error:
                print(f"start: no folder {folder}: {error.strerror}", file=sys.stderr, flush=True)


def start_command(command: list[str], environment: dict[str, str]) -> NoReturn:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        sys.exit(f"start: {command[0]!r} cannot be started: {error.strerror}")


def main(arguments: Sequence[str]) -> None:
    account, command = parse(arguments)
    environment = dict(os.environ)
    named = environment.get("ORRERY_DATA_DIR")
    if named:
        data_folder = Path(named).absolute()
        prepare(data_folder, account)
        scripts_environment = environment | make_variables(data_folder, environment)
        try:
            run_scripts(data_folder, scripts_environment, (account.uid, account.gid) if account else None)
        except Ended as ended:
            sys.exit(128 + ended.number)
    else:
        print("start: ORRERY_DATA_DIR is not set; no script is looked for", file=sys.stderr, flush=True)
    if account is not None:
        become(account)
        environment |= account_environment(account)
    if named:
        environment |= make_variables(Path(named).absolute(), environment)
    if command:
        start_command(command, environment)


if __name__ == "__main__":
    main(sys.argv[1:])
