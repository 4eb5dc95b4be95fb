"""The HTML pages that links in mails open, and the API documentation.

May import users, http and all below.
"""
