"""`python -m app` is `keystead`."""

from app.cli import main

main()
