"""Django's own defaults, but for the database, which the environment names."""

import os
from urllib.parse import parse_qs, unquote, urlsplit


def database(url):
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": rest,
            # What Django's documentation advises where several processes write.
            "OPTIONS": {"timeout": 60, "transaction_mode": "IMMEDIATE"},
        }
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or parse_qs(parts.query).get("host", [""])[0],
        "PORT": str(parts.port or parse_qs(parts.query).get("port", [""])[0]),
    }


SECRET_KEY = "of no use to anybody"
INSTALLED_APPS = ["shop"]
DATABASES = {"default": database(os.environ["DATABASE_URL"])}
USE_TZ = True
TIME_ZONE = "Europe/Zurich"
