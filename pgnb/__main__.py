"""`python -m pgnb` is `pgnb`."""

from pgnb.cli import main

main()
