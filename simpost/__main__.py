"""`python -m simpost` is the command line."""

from simpost.cli.main import main

main()
