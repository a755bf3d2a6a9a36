"""Functions that misbehave, for a real runtime."""

import os
import signal
import time
from typing import Any

from helios.worker.message import Answer


def _answer(**more: Any) -> Any:
    return Answer(seconds=0.1, memory_mb=1, **more).model_dump(mode="json")


def fine(event: dict[str, Any], context: object) -> Any:
    return _answer(stdout="fine\n", lines=1)


def raising(event: dict[str, Any], context: object) -> Any:
    print("about to fail")
    raise ValueError("the handler is broken: ä")


def sleeping(event: dict[str, Any], context: object) -> Any:
    print("it sleeps", flush=True)
    time.sleep(60)


def killed(event: dict[str, Any], context: object) -> Any:
    print("these are my last words")
    os.kill(os.getpid(), signal.SIGKILL)


def stranger(event: dict[str, Any], context: object) -> Any:
    return {"hello": "world"}
