"""`python -m shopfloor` is `officina`, with the interpreter that runs it."""

from shopfloor.cli import main

main()
