import os
from urllib.parse import unquote, urlsplit

url = urlsplit(os.environ["DJANGO_URL"])
SECRET_KEY = "for tests only"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "polls", "shop.apps.ShopConfig"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends." + url.scheme,
        "NAME": url.path if url.scheme == "sqlite3" else url.path[1:],
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.hostname or "",
        "PORT": str(url.port or ""),
    }
}
