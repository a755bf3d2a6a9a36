"""The process that ``helios job submit`` leaves behind: ``python -m helios.jobs FOLDER JOB``."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from helios.errors import HeliosError
from helios.jobs.journal import Journal
from helios.jobs.runner import run_job


async def _run(journal: Journal, job: str) -> None:
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await run_job(journal, job)


def main() -> int:
    """Runs the job; returns the exit code."""
    journal = Journal(Path(sys.argv[1]))
    try:
        asyncio.run(_run(journal, sys.argv[2]))
    except HeliosError as error:
        sys.stderr.write(f"helios: {error}\n")
        return error.exit_code
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    finally:
        journal.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
