"""Settings of the Django peer, as for production: no DEBUG, kept connections, no extras."""

import os

SECRET_KEY = "a-key-for-benchmarks-and-nothing-else"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["tests.benchmarks.peers.desk", "django_celery_beat"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "tests.benchmarks.peers.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "PORT": 5432,
        "USER": "root",
        "NAME": os.environ["PEER_DATABASE"],
        "CONN_MAX_AGE": 600,
    }
}
CELERY_BROKER_URL = os.environ["PEER_BROKER_URL"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
PROVIDER_URL = os.environ["PEER_PROVIDER_URL"]
CALLBACK_SECRET = os.environ["PEER_CALLBACK_SECRET"]
