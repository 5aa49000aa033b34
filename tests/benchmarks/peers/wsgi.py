"""Entry point of the peer's web server."""

from django.core.wsgi import get_wsgi_application

from tests.benchmarks.peers.worker import app as celery

celery.set_default()
application = get_wsgi_application()
