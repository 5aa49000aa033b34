"""Entry point of the web server: `gunicorn core.wsgi:app`."""

from core import metrics
from core.app import create_app
from core.logs import set_up
from core.settings import current

set_up(current())
metrics.begin(current().home)
app = create_app()
