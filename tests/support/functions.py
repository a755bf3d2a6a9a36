"""Functions that misbehave, for a real runtime."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from helios.worker.message import JobResponse


def _answer(**more: Any) -> Any:
    return JobResponse(seconds=0.1, memory_mb=1, **more).model_dump(mode="json")


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


def obedient(event: dict[str, Any], context: Any) -> Any:
    """Does what the event asks for, or returns a description of its environment."""
    print(event.get("say", "nothing to say"))
    match event:
        case {"do": "raise"}:
            raise ValueError("the handler is broken: ä")
        case {"do": "sleep"}:
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
            Path("started").touch()
            time.sleep(600)
        case {"do": "exit"}:
            os._exit(3)
        case {"do": "answer", "bytes": count}:
            return "x" * (count - 2)  # quotes
        case {"do": "pretend"}:
            return {"errorType": "ValueError", "errorMessage": "no error at all", "stackTrace": []}
        case _:
            pass
    started = Path("started").exists()
    return {
        "event": event,
        "id": context.aws_request_id,
        "pid": os.getpid(),
        "env": dict(os.environ),
        "started": started,
    }
