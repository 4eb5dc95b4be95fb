"""The `keystead` command, one command group a file.

May import everything except `app.main`, which `serve` imports when it serves.
"""
