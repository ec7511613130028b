"""What a notebook server and the host of its kernel say to each other.

Requests and replies are messages of Jupyter's own protocol, signed with the key that both were given (HMAC-SHA256),
over a ZeroMQ socket of their own: a DEALER asks, the host's ROUTER answers. Over TCP it is encrypted as well (CURVE):
the host reports its public key, and the secret half never leaves it.

    launch   {argv, connection_file, cwd, environment, connection}  start the kernel, in the place of one that runs
    poll     {}                                                     also the sign that the notebook server lives
    signal   {signum}                                               to the kernel's process group
    end      {reason}                                               end the kernel and the host

Every reply is {is_running, exit_code, error}; `error` is a sentence for a person, empty where all went well.
"""

# jupyter_client carries few types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import Any, Final

from jupyter_client.session import Session

#: holds the key in the host's environment
KEY_VARIABLE: Final = "ORRERY_KERNEL_KEY"
CHANNELS: Final = ("shell", "iopub", "stdin", "control", "hb")


def make_session(key: str) -> Session:
    return Session(key=key.encode(), signature_scheme="hmac-sha256", username="orrery")


def read(session: Session, parts: list[bytes]) -> tuple[list[bytes], dict[str, Any]]:
    """Whom it came from, and the message. Raises: ValueError for one that is not signed, or was seen before."""
    identities, body = session.feed_identities(parts)
    return identities, session.deserialize(body)
