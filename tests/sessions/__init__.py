"""Tests of app/sessions."""
