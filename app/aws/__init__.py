"""AWS Lambda: the handler, its events, and the custom resource that migrates.

May import everything below `handler.py` except `app.main` and `app.cli`.
"""
