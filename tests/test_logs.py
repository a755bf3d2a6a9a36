"""Log lines: one a record, with their fields and without secrets."""

import json
import logging
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helios import logs

LOGGER = logging.getLogger("helios.tests")

SECRETS = [
    "https://b.s3.eu-west-1.amazonaws.com/k?X-Amz-Credential=a%2Fb&X-Amz-Signature=0123abcd0123",
    "https://storage.googleapis.com/b/k?X-Goog-Signature=0123abcd0123&x=1",
    "https://a.blob.core.windows.net/c/k?sv=2024&sig=0123abcd0123",
    "https://cdn.example/clip.mp4?hdnts=exp=1~hmac=0123abcd0123",
    "https://user:0123abcd0123@example.com/page",
    "Authorization: Bearer 0123abcd0123",
    "authorization: Basic 0123abcd0123",
    "aws_secret_access_key = 0123abcd0123",
    '{"SessionToken": "0123abcd0123", "x": 1}',
    "{'api_key': '0123abcd0123'}",
    "password=0123abcd0123",
    "AKIA0123ABCD0123ABCD",
    "wJalrXUtnFEMI/K7MDENG+bPxRfiCY0123abcd01",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIwMTIzYWJjZCJ9.0123abcd0123",
    "ya29.a0AfB_0123abcd0123",
    "-----BEGIN RSA PRIVATE KEY-----\n0123abcd0123\n-----END RSA PRIVATE KEY-----",
]
PARTS = ("0123abcd", "0123ABCD", "eyJpc3Mi")

HARMLESS = [
    "https://example.com/a/page.html",
    "https://example.com/clip.mp4#t=10",
    "s3://bucket/videos/jobs/1f2e3d4c.json",
    "chunk 3 failed: exit code 1",
    "9e107d9d372bb6826bd81d3542a419d6",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "/home/ada/projects/a-video-of-2026/with-a-Long-Name-and-Numbers-123456789/index.html",
    "helios-worker-0-1-0-Function-AbCdEf123456",
    "arn:aws:lambda:eu-west-1:123456789012:function:helios-0-1-0",
]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    logger = logging.getLogger("helios")
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_json_lines_hold_time_level_logger_message_and_extra_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(1, "json")
    LOGGER.info("chunk %d\nstarted", 3, extra={"chunk": 3, "path": Path("/a"), "of": (1, None), "pace": math.inf})
    (line,) = lines(capsys)
    assert str(line.pop("time")).endswith("Z")
    assert line == {
        "level": "info",
        "severity": "INFO",
        "logger": "helios.tests",
        "message": "chunk 3\nstarted",
        "chunk": 3,
        "path": "/a",
        "of": [1, None],
        "pace": "inf",
    }


def test_an_exception_is_a_field_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(0, "json")
    try:
        raise ValueError("password=0123abcd0123")
    except ValueError:
        LOGGER.exception("it failed")
    (line,) = lines(capsys)
    assert "ValueError" in str(line["exception"])
    assert "0123abcd" not in str(line)


@pytest.mark.parametrize(("verbosity", "shown"), [(0, 1), (1, 2), (2, 3), (9, 3)])
def test_verbosity_chooses_the_level(verbosity: int, shown: int, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(2, "text")
    logs.configure(verbosity, "json")
    for level in (logging.DEBUG, logging.INFO, logging.WARNING):
        LOGGER.log(level, "x")
    assert len(lines(capsys)) == shown


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("format", ["text", "json"])
def test_secrets_are_in_no_line(secret: str, format: logs.LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(0, format)
    LOGGER.warning("at %s, here", secret, extra={"value": secret, "nested": {"list": [secret]}})
    found = capsys.readouterr().err
    assert "[redacted]" in found
    assert not any(part in found for part in PARTS)


def test_fields_with_secret_names_are_hidden_whatever_they_hold(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(0, "json")
    LOGGER.warning("x", extra={"aws_session_token": "abc", "headers": {"Authorization": "abc"}, "tokens": ["abc"]})
    assert "abc" not in capsys.readouterr().err


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert logs.redact(text) == text


def test_the_library_prints_nothing_by_itself() -> None:
    code = "import logging, helios; logging.getLogger('helios.x').error('x')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (found.stdout, found.stderr) == ("", "")
