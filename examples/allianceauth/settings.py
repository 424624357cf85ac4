"""What this deployment says; everything else is Alliance Auth's own default.

The build makes the project `portal` with Alliance Auth's own command, and this file goes on top of it. What differs
between environments, and what is secret, comes by the environment.
"""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from portal.settings.base import *  # noqa: F403

RELEASE = Path(__file__).resolve().parent

DEBUG = False
SECRET_KEY = os.environ["SECRET_KEY"]
SITE_URL = os.environ.get("SITE_URL", "http://127.0.0.1:8080")
CSRF_TRUSTED_ORIGINS = [SITE_URL]
# Health checks ask each copy by its address.
ALLOWED_HOSTS = [urlsplit(SITE_URL).hostname, "127.0.0.1", "localhost"]

WSGI_APPLICATION = "portal.wsgi.application"
STATIC_ROOT = RELEASE / "static"


def database(url):
    """Django's description of the database at a URL."""
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": parts.hostname,
        "PORT": parts.port,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "NAME": parts.path.lstrip("/"),
        "CONN_MAX_AGE": 60,
    }


DATABASES = {"default": database(os.environ["DATABASE_URL"])}

# One Redis, with a database for the queue and one for the cache.
REDIS = urlsplit(os.environ["REDIS_URL"])
BROKER_URL = REDIS._replace(path="/0").geturl()
CACHES["default"]["LOCATION"] = REDIS._replace(path="/1").geturl()  # noqa: F405

# Behind the proxy, over TLS where the site has it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_URL.startswith("https://")

# Log in with EVE Online's accounts: https://developers.eveonline.com
ESI_SSO_CLIENT_ID = os.environ.get("ESI_SSO_CLIENT_ID", "not set")
ESI_SSO_CLIENT_SECRET = os.environ.get("ESI_SSO_CLIENT_SECRET", "not set")
ESI_SSO_CALLBACK_URL = f"{SITE_URL}/sso/callback"
ESI_USER_CONTACT_EMAIL = os.environ.get("CONTACT_EMAIL", "admin@example.org")

# Whoever starts the processes keeps their output.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
