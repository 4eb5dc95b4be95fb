"""`python -m app` is the `keystead` command."""

from app.cli.main import main

main()
