"""`python -m toolkit.cli`, where the console script is not on the path."""

from toolkit.cli.main import entry

entry()
