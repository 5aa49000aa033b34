"""Entry point of worker and beat: `celery -A core.worker:celery worker`."""

from core.app import create_app

celery = create_app().extensions["celery"]
