"""The worker behind AWS Lambda: ``helios.worker.lambda_handler.handler``, for ``awslambdaric``."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Protocol

from helios.errors import WorkerRefused
from helios.release import __version__
from helios.worker.message import Failure, JobResponse, Payload
from helios.worker.runtime import local_worker

_SPARE_S = 10.0
"""Seconds reserved for storing outputs and for the response."""


class Context(Protocol):
    """Lambda's data of an invocation. Source: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html"""

    def get_remaining_time_in_millis(self) -> int:
        """Until it is cut off."""
        ...


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Runs the payload ``event`` and returns a ``JobResponse``."""
    try:
        payload = Payload.read(json.dumps(event), __version__)
    except WorkerRefused as error:
        return JobResponse(failure=Failure.of(error), seconds=0.0, memory_mb=0.0).model_dump(mode="json")
    seconds = max(1.0, context.get_remaining_time_in_millis() / 1000 - _SPARE_S)
    answer = asyncio.run(local_worker(__version__).run(payload, seconds))
    return answer.model_dump(mode="json")
