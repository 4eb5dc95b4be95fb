"""Sessions: table and store. A session knows the id of its account, not the table of accounts.

May import http, resources and all below; not users, mail or tick.
"""
