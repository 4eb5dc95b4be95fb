"""Tests of app/crypto."""
