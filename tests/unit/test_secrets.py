"""Secrets at rest, and out of sight."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orrery.domain.secrets import SecretSpec
from orrery.domain.trainings import TrainingSpec
from orrery.errors import Conflict
from orrery.executors.masking import StreamMask, mask_json, mask_stream, mask_text, needles, secret_values
from orrery.jobs import report
from orrery.store.vault import Vault


def test_a_sealed_secret_is_read_with_its_key_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "vault.key"
    sealed = Vault(path).seal("grüße")
    assert "grüße" not in sealed and Vault(path).unseal(sealed) == "grüße"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() not in repr(Vault(path))
    with pytest.raises(Conflict, match="set the secret again"):
        Vault(tmp_path / "other.key").unseal(sealed)


@given(
    secrets=st.lists(st.text("ab\n", min_size=6, max_size=12), min_size=1, max_size=3),
    parts=st.lists(st.text("ab\n", max_size=8), max_size=6),
    size=st.integers(1, 9),
)
def test_a_stream_shows_no_secret_however_it_is_cut(secrets: list[str], parts: list[str], size: int) -> None:
    text = "".join(part + secrets[index % len(secrets)] for index, part in enumerate(parts)).encode()
    mask = StreamMask(secrets)
    shown = b"".join(mask.feed(text[begin : begin + size]) for begin in range(0, len(text), size)) + mask.finish()
    for secret in secrets:
        assert secret.encode() not in shown


def test_what_is_no_secret_passes_at_once() -> None:
    mask = StreamMask(["token-123"])
    assert mask.feed(b"plain text\n") == b"plain text\n"
    assert mask.feed(b"a tok") == b"a "
    assert mask.feed(b"e of kindness\n") == b"toke of kindness\n"
    assert mask.feed(b"a token-") + mask.feed(b"123!") == b"a ***!"
    assert mask.feed(b"tok") + mask.finish() == b"tok"


def test_the_lines_of_a_key_are_masked_each() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nend\n"
    assert mask_text("a MIIEvQIBADANBg b end", needles([key])) == "a *** b end"


def test_a_descriptor_is_copied_masked() -> None:
    read, write = os.pipe()
    source, sink = os.pipe()
    os.write(sink, b"the token-123 of alice")
    os.close(sink)
    mask_stream(source, write, ["token-123"])
    os.close(write)
    assert os.read(read, 100) == b"the *** of alice"
    os.close(read)
    os.close(source)


def test_outputs_of_a_notebook_are_masked() -> None:
    content = {"data": {"text/plain": "'token-123'"}, "traceback": ["x", "token-123"], "count": 3}
    masked = {"data": {"text/plain": "'***'"}, "traceback": ["x", "***"], "count": 3}
    environment = {"ORRERY_SECRETS": "TOKEN,GONE", "TOKEN": "token-123", "OTHER": "x"}
    assert mask_json(content, secret_values(environment)) == masked


def test_reports_are_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "reports.jsonl"
    for name, value in {"ORRERY_REPORTS": str(told), "ORRERY_SECRETS": "TOKEN", "TOKEN": 'token-"1'}.items():
        monkeypatch.setenv(name, value)
    report.error("failed", 'token-"1 was refused', header=['Bearer token-"1'])
    line = json.loads(told.read_text())
    assert (line["message"], line["details"]) == ("*** was refused", {"header": ["Bearer ***"]})


@pytest.mark.parametrize(
    ("value", "message"), [("short", "6 to 65,536 characters; this has 5"), ("a\0bcdefg", "the character NUL")]
)
def test_what_cannot_be_a_secret_is_refused(value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SecretSpec.model_validate({"value": value})
    assert "long enough" not in repr(SecretSpec(value="long enough"))


def test_a_variable_is_either_shown_or_secret() -> None:
    given = {"algorithm": "a", "environment": {"TOKEN": "x"}, "secrets": {"TOKEN": "mine"}}
    with pytest.raises(ValueError, match="TOKEN is set both in environment and in secrets"):
        TrainingSpec.model_validate(given)
    with pytest.raises(ValueError, match="'EM_TOKEN' cannot be set"):
        TrainingSpec.model_validate({"algorithm": "a", "secrets": {"EM_TOKEN": "mine"}})
