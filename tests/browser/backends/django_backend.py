"""A backend on Django, settings and addresses in one module. It knows nothing of OpenTelemetry:
`opentelemetry-instrument` runs it.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import re_path

from browser.backends.content import answer, of_snippet

ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = __name__
SECRET_KEY = "of the browser tests"
globals().update(of_snippet())


def api(request: HttpRequest) -> JsonResponse:
    return JsonResponse(answer(request.headers))


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(f"nothing is at {request.path}")


def timed(_: HttpRequest) -> HttpResponse:
    return HttpResponse("{}", headers={"Server-Timing": "db;dur=5"})


urlpatterns: list[Any] = [re_path("^api/", api), re_path("^fail/", fail), re_path("^timed$", timed)]
