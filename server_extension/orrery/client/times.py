"""Durations and moments as people write them: `2h`, `22:00`. Pure."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Final

from orrery.errors import Invalid

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def parse_duration(text: str) -> int:
    """Seconds of `90`, `90s`, `15m`, `2h`, `1h30m`, `1d`. Raises: Invalid."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None or not any(match.groups()):
        raise Invalid(f"{text!r} is no duration; write for instance 90s, 15m, 2h or 1h30m")
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def parse_moment(text: str, now: datetime | None = None) -> datetime:
    """`22:00` is the next time that it is so, `2h` is in two hours; a date and time without a zone are local.

    Raises: Invalid.
    """
    now = now or datetime.now().astimezone()
    after = text.strip().removeprefix("+")
    if after and after[-1] in "dhms" and _DURATION.fullmatch(after):
        return now + timedelta(seconds=parse_duration(after))
    try:
        if len(text) <= len("22:00"):
            clock = time.fromisoformat(text.zfill(len("22:00")))
            today = datetime.combine(now.date(), clock).astimezone(now.tzinfo)
            return today if today > now else datetime.combine(now.date() + timedelta(days=1), clock).astimezone()
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is not None else moment.astimezone()
    except ValueError:
        raise Invalid(f"{text!r} is no moment; write for instance 22:00, 2h, 2026-01-31T22:00 or ...+01:00") from None
