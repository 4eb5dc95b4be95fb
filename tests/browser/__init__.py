"""Applications and attacks in a real Chromium: tox -e browser"""
