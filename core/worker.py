"""Entry point of worker and beat: `celery -A core.worker:celery worker`."""

from core.app import create_app
from core.celery_app import KuvertCelery

celery: KuvertCelery = create_app(has_pages=False).extensions["celery"]
