"""Secrets of a job, which no log line and no text of the journal may show."""

from __future__ import annotations

import os
from collections.abc import Callable

from helios.jobs.spec import JobSpec
from helios.logs import redact

_PUBLIC = {"PATH", "HOME", "PWD", "USER", "SHELL", "TERM", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"}
_SHORTEST = 6


def make_redactor(spec: JobSpec) -> Callable[[str], str]:
    """Returns a function that replaces secrets in a text.

    These are the values of the environment that the spec gives to commands, but for names such as PATH and values of
    fewer than 6 characters, the webhook's address and secret, and all that ``helios.logs.redact`` recognizes.
    """
    commands = (*spec.commands.chunks, spec.commands.merge) if spec.commands else ()
    values = {value for command in commands if command for name, value in command.env.items() if name not in _PUBLIC}
    values |= {spec.webhook or "", os.environ.get("HELIOS_WEBHOOK_SECRET", "")}
    ordered = sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)

    def replace_secrets(text: str) -> str:
        for value in ordered:
            text = text.replace(value, "[redacted]")
        return redact(text)

    return replace_secrets
