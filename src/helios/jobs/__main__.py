"""The process that ``helios job submit`` leaves behind: ``python -m helios.jobs FOLDER JOB``."""

from __future__ import annotations

import sys
from pathlib import Path

from helios.errors import HeliosError
from helios.jobs.journal import Journal
from helios.jobs.runner import run_job
from helios.stopping import run_stoppable, stoppable


def main() -> int:
    """Runs the job; returns the exit code."""
    journal = Journal(Path(sys.argv[1]))
    try:
        run_stoppable(run_job(journal, sys.argv[2]))
    except HeliosError as error:
        sys.stderr.write(f"helios: {error}\n")
        return error.exit_code
    finally:
        journal.close()
    return 0


if __name__ == "__main__":
    with stoppable():
        sys.exit(main())
