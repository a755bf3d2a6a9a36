"""The process that runs a submitted job: ``python -m helios.jobs FOLDER JOB``. It logs to the journal's JOB.log."""

from __future__ import annotations

import sys
from pathlib import Path

from helios import logs
from helios.errors import HeliosError
from helios.jobs.journal import Journal
from helios.jobs.runner import run_job
from helios.stopping import run_stoppable, stoppable


def main() -> int:
    """Runs the job; returns the exit code."""
    logs.configure(1)
    journal = Journal(Path(sys.argv[1]))
    try:
        run_stoppable(run_job(journal, sys.argv[2]))
    except HeliosError as error:
        sys.stderr.write(f"helios: {logs.redact(str(error))}\n")
        return error.exit_code
    finally:
        journal.close()
    return 0


if __name__ == "__main__":
    with stoppable():
        sys.exit(main())
