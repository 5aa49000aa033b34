"""The live schedule: when things run. Here is its pure part, without database and Celery."""
