"""Authentication: guard, transports, log-in, verification and reset by mail.

May import users, sessions, mail, http and all below; not pages or tick.
"""
