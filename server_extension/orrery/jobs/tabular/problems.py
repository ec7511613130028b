"""The one error of reading data: what is wrong in which file, with its value, and what to do about it."""

from __future__ import annotations

from orrery.jobs.report import JobFailed


class BadData(JobFailed):
    """The data cannot be used as it is."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__("bad_data", message, **details)
