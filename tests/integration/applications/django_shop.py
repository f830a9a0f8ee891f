"""A Django site in one module, without a line of OpenTelemetry."""

from __future__ import annotations

from typing import NoReturn

from django.http import Http404, HttpRequest
from django.urls import path

SECRET_KEY = "only-for-tests"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "django_shop"


def gone(request: HttpRequest, sku: str) -> NoReturn:
    raise Http404(f"no {sku}")


def boom(request: HttpRequest, sku: str) -> NoReturn:
    raise ValueError(f"{sku} is broken")


urlpatterns = [path("gone/<str:sku>", gone), path("boom/<str:sku>", boom)]
