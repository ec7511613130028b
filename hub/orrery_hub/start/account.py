"""Giving up root before the server starts: `--user NAME` (or a uid, or `uid:gid`)."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass


class UnknownAccount(ValueError):
    """No account of that name or number."""


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int
    #: empty where the system does not know the number
    home: str

    @property
    def is_known(self) -> bool:
        return bool(self.home)


def find_account(text: str) -> Account:
    """Raises: UnknownAccount."""
    name, _, group = text.partition(":")
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        if not name.isdigit():
            raise UnknownAccount(f"--user {text}: there is no account {name!r}; name one of /etc/passwd") from None
        entry = None
    if group and not group.isdigit():
        raise UnknownAccount(f"--user {text}: the group is given as a number, as in 1000:100")
    if entry is None:
        return Account(name, int(name), int(group or name), "")
    return Account(entry.pw_name, entry.pw_uid, int(group) if group else entry.pw_gid, entry.pw_dir)


def become(account: Account) -> None:
    """For good: uid, gid and groups, real, effective and saved. Raises: OSError; RuntimeError if root came back."""
    if account.is_known:
        os.initgroups(account.name, account.gid)
    else:
        os.setgroups([account.gid])
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    if account.uid != 0:
        try:
            os.setuid(0)
        except PermissionError:
            return
        raise RuntimeError(f"this process can still become root after it became {account.name}")


def account_environment(account: Account) -> dict[str, str]:
    words = {"USER": account.name, "LOGNAME": account.name}
    return words | {"HOME": account.home} if account.is_known else words
