"""Log lines of the ``helios.*`` loggers on stderr, as text or JSON, without secrets."""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal, cast

LogFormat = Literal["text", "json"]

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
_OWN_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_HIDDEN = "[redacted]"
_SECRET_NAME = (
    r"[\w-]*(?:secret|token|passw(?:or)?d|passphrase|authorization|credential|cookie|signature"
    r"|(?:api|access|private|account|shared)[_-]?key)[\w-]*"
)
_SECRETS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), _HIDDEN),
    (re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/?#@\"'<>]+@", re.IGNORECASE), rf"\1{_HIDDEN}@"),
    (re.compile(r"\b([a-z][a-z0-9+.-]*://[^\s?#\"'<>]+)\?[^\s#\"'<>]+", re.IGNORECASE), rf"\1?{_HIDDEN}"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {_HIDDEN}"),
    (
        re.compile(rf"\b({_SECRET_NAME}[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s\"',;&}})\[]+)", re.IGNORECASE),
        rf"\1{_HIDDEN}",
    ),
    (re.compile(r"\b(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{16}\b"), _HIDDEN),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)*"), _HIDDEN),
    (re.compile(r"\b(?:ya29\.|AIza|gh[a-z]_|github_pat_|xox[a-z]-|sk-|glpat-)[\w.-]{10,}"), _HIDDEN),
)
_RANDOM_TEXT = re.compile(r"(?<![\w+/])(?:[\w+]{24,}|[A-Za-z0-9+/]{40}|[A-Za-z0-9+/]{80,})={0,2}(?![\w+/])")


def configure(verbosity: int = 0, format: LogFormat = "text") -> None:
    """Has the ``helios.*`` loggers write to stderr: warnings, with ``verbosity`` 1 information, with 2 debugging too.

    A second call replaces the first.
    """
    logger = logging.getLogger("helios")
    for handler in [each for each in logger.handlers if isinstance(each, _StderrHandler)]:
        logger.removeHandler(handler)
    handler = _StderrHandler()
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    logger.addHandler(handler)
    logger.setLevel(_LEVELS[min(max(verbosity, 0), len(_LEVELS) - 1)])


def redact(text: str) -> str:
    """``text`` with "[redacted]" for everything that looks like a secret.

    Queries and users of URLs (signed URLs), values after names such as "token" or "password", bearer tokens, private
    keys, AWS keys, and long random text of mixed letters and digits. Hexadecimal digests stay.
    """
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return _RANDOM_TEXT.sub(lambda found: _HIDDEN if _is_mixed(found[0]) else found[0], text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC, ISO 8601), level, logger, message, the ``extra`` fields, and exception.

    ``severity`` is the level for Cloud Logging: https://cloud.google.com/logging/docs/structured-logging
    """

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": _utc(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "severity": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        for name, value in _extra_fields(record).items():
            fields.setdefault(name, value)
        if trace := _exception_text(self, record):
            fields["exception"] = redact(trace)
        return json.dumps(fields)


class TextFormatter(logging.Formatter):
    """A line such as ``2026-01-31 12:00:00.000 INFO helios.jobs: started job=1f2e`` (UTC)."""

    def format(self, record: logging.LogRecord) -> str:
        time = f"{_utc(record):%Y-%m-%d %H:%M:%S}.{int(record.msecs):03}"
        extra = "".join(
            f" {name}={value if isinstance(value, str) else json.dumps(value)}"
            for name, value in _extra_fields(record).items()
        )
        line = f"{time} {record.levelname} {record.name}: {redact(record.getMessage())}{extra}"
        trace = _exception_text(self, record)
        return f"{line}\n{redact(trace)}" if trace else line


class _StderrHandler(logging.Handler):
    """Writes to what ``sys.stderr`` is at that time: progress bars replace it while they are shown."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - a log line must not stop the work (as in logging.StreamHandler)
            self.handleError(record)


def _utc(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _exception_text(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if record.exc_info and record.exc_info[0]:
        return formatter.formatException(record.exc_info)
    return record.exc_text or ""


def _extra_fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: _plain(name, value) for name, value in vars(record).items() if name not in _OWN_FIELDS}


def _plain(name: str, value: object) -> object:
    """``value`` as JSON holds it, without secrets; ``name`` is that of its field."""
    if value is None or isinstance(value, bool | int):
        return value
    if re.fullmatch(_SECRET_NAME, name, re.IGNORECASE):
        return _HIDDEN
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {redact(str(key)): _plain(str(key), each) for key, each in items}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(name, each) for each in cast("Iterable[object]", value)]
    return redact(str(value))


def _is_mixed(text: str) -> bool:
    return all(re.search(kind, text) for kind in ("[A-Z]", "[a-z]", "[0-9]"))
