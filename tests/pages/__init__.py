"""Tests of the pages that links in mails open."""
