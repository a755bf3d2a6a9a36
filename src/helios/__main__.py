"""``python -m helios``: the command line."""

from helios.cli import main

main()
