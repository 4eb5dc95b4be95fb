"""Tests of app/tick."""
