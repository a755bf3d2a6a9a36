"""Showing events: which way."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Protocol

from helios.cli.reporters import JsonReporter, NullReporter, Summary
from helios.orchestrator import RenderEvent


class Reporter(AbstractContextManager["Reporter"], Protocol):
    """Shows events as they come."""

    def show(self, event: RenderEvent) -> None:
        """Shows one event."""
        ...


def reporter(*, quiet: bool, json: bool) -> Reporter:
    """The reporter for how the command was called, and where its output goes."""
    if json:
        return JsonReporter()
    if quiet:
        return NullReporter()
    if not sys.stderr.isatty():
        return Summary()
    from helios.cli.bars import Bars  # what draws them takes its time to load

    return Bars()
