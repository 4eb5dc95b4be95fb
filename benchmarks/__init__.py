"""Measurements, outside the test run."""
