"""Tests of app/metrics and of GET /metrics."""
