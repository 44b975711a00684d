"""``python -m rollq`` is the command line too."""

from rollq.cli.main import main

main()
