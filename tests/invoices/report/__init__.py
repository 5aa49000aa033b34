"""Tests of the weekly report by mail."""
