"""The yardstick of `ingest`: a view that only inserts one row, through the same server and pool."""

from __future__ import annotations

import os

import django
import orjson
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()
settings.ROOT_URLCONF = "tests.bench.bare"
if os.environ.get("BARE_WITHOUT_MIDDLEWARE"):
    settings.MIDDLEWARE = []

from django.contrib.auth.decorators import login_not_required  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

from config.health import health  # noqa: E402

TABLE = "CREATE TABLE IF NOT EXISTS bare (id text PRIMARY KEY, record jsonb NOT NULL)"


@csrf_exempt
@login_not_required
def insert(request: HttpRequest) -> JsonResponse:
    record = orjson.loads(request.body)["records"][0]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bare (id, record) VALUES (%s, %s) ON CONFLICT (id) DO NOTHING",
            [record["id"], orjson.dumps(record).decode()],
        )
    return JsonResponse({"accepted": 1})


urlpatterns = [path("healthz", health), path("bare", insert)]
application = get_wsgi_application()
