"""Tests of staff and of logging in."""
