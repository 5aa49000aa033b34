"""Foundations: settings, database, queues, errors, outgoing HTTP. Knows no domain package."""
