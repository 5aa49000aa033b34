"""Backups of the database in one format for every engine: taken, verified, restored.

A backup is a zip with one NDJSON file per table and a manifest: the revision of the schema, how
many rows each table has, and hashes. `shapes` says what tables look like at a revision, `rows`
turns rows into lines and back, `archive` writes and reads the file, `taking` and `restoring` are
the two verbs.
"""
