"""The outbox, its delivery, and the transports that mail leaves by.

May import http, resources and all below; not users, sessions or tick.
"""
