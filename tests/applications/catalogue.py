"""The applications: published packages, and what each of their requests must leave."""

from __future__ import annotations

import signal

from applications.plan import Application, Counts, Process, Route

_GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{web}", "--workers", "2")
_RAISES = Counts(spans=1, logs=1, exceptions=1)

_HTTPBIN = (
    Route("/get?word={request}"),
    Route("/bytes/100?seed=3"),  # it seeds `random`, for the whole process
    Route("/anything/{request}", "POST", b"a=1"),
    Route("/bytes/100?seed=none", status=500, leaves=_RAISES),
    Route("/stream/3"),
    Route("/status/404", status=404),
    Route("/delay/never", status=500, leaves=_RAISES),
    Route("/missing/{request}", status=404),
)


_PATCHED_LATE = (
    "Exception ignored in thread started by",
    "Traceback (most recent call last):",
    "KeyError: #",
)
"""What a worker of gevent's prints at its end, as docs/how-to/gevent.md says:

threads from before it was patched are not found.
"""


def _httpbin(
    name: str, *command: str, ends_by: signal.Signals = signal.SIGTERM, says: tuple[str, ...] = ()
) -> Application:
    return Application(
        f"httpbin, {name}",
        "httpbin",
        (Process("web", command, ends_by=ends_by),),
        _HTTPBIN,
        says=says,
    )


_JUPYTER = (
    "jupyter-server --ip 127.0.0.1 --port {web} --no-browser --IdentityProvider.token= "
    "--ServerApp.allow_root=True"
    " --ServerApp.disable_check_xsrf=True --ServerApp.root_dir={folder}"
)
_CELERY = (
    "celery",
    "--app",
    "jobs:celery",
    "worker",
    "--loglevel",
    "info",
    "--concurrency",
    "2",
    "--without-gossip",
    "--without-mingle",
)
_REDIS = Process(
    "redis",
    ("redis-server", "--port", "{redis}", "--bind", "127.0.0.1", "--save", "", "--dir", "{folder}"),
    plain=True,
)
_OF_JOBS = {"REDIS_PORT": "{redis}"}

APPLICATIONS = (
    _httpbin("sync", *_GUNICORN, "httpbin:app"),
    _httpbin("gthread", *_GUNICORN, "--worker-class", "gthread", "--threads", "4", "httpbin:app"),
    _httpbin("gevent", *_GUNICORN, "--worker-class", "gevent", "httpbin:app", says=_PATCHED_LATE),
    _httpbin(
        "flask run", "flask", "--app", "httpbin", "run", "--port", "{web}", ends_by=signal.SIGINT
    ),
    Application(
        "wagtail",
        "wagtail",
        (
            Process(
                "web",
                (*_GUNICORN, "--threads", "4", "shop.wsgi:application"),
                {"DJANGO_SETTINGS_MODULE": "shop.settings.dev"},
            ),
        ),
        (
            Route("/?word={request}"),
            Route("/search/?query={request}"),
            Route("/admin/login/"),
            # The instrumentation makes an event of the Http404, handled as it is.
            Route("/missing/{request}/", status=404, leaves=Counts(spans=1, logs=1, exceptions=1)),
            Route("/search", "POST", b"a=1", status=500, leaves=_RAISES),
            Route("/admin/", status=302),
        ),
        prepare=("python", "{programs}/prepare_site.py"),
        files=("shop", "home", "search", "db.sqlite3"),
    ),
    Application(
        "titiler",
        "titiler",
        (
            Process(
                "web",
                ("uvicorn", "--port", "{web}", "titiler.application.main:app"),
                # Threads take each other's filters away (`catch_warnings`), so that bare runs print
                # it sometimes, too.
                {"PYTHONWARNINGS": "ignore:Dataset has no geotransform"},
            ),
        ),
        (
            Route("/healthz?word={request}"),
            Route("/cog/info?url=image.tif"),
            Route("/cog/preview.png?url=image.tif&max_size=32", leaves=Counts(spans=1, logs=1)),
            Route(
                "/cog/info?url={request}.tif",
                status=500,
                leaves=Counts(spans=1, logs=2, exceptions=1),
            ),
            Route("/cog/nothing/{request}", status=404),
            Route("/cog/preview.png?url=image.tif&rescale=a,b", status=422),
        ),
        prepare=("python", "{programs}/prepare_image.py"),
        files=("image.tif",),
    ),
    Application(
        "jupyter_server",
        "jupyter",
        (Process("web", tuple(_JUPYTER.split())),),
        (
            Route("/api?word={request}"),
            Route("/api/status"),
            # Its logger hands nothing to the root logger: its records are on the console alone.
            Route("/api/sessions/{request}", status=404),
            Route("/missing/{request}", status=404),
            Route(
                "/api/kernels",
                "POST",
                b'{"name":"none"}',
                "application/json",
                500,
                Counts(spans=1, exceptions=1),
            ),
            Route("/api/contents", "POST", b"{", "application/json", 400),
            Route("/api/config/shop"),
        ),
    ),
    Application(
        "pypiserver",
        "pypiserver",
        (Process("web", (*_GUNICORN, "--threads", "4", "packages_wsgi:app")),),
        (
            Route("/?word={request}"),
            Route("/simple/"),
            Route("/health"),
            Route("/packages/"),
            Route("/missing/{request}", status=404),
        ),
    ),
    Application(
        "datasette",
        "datasette",
        (Process("web", ("uvicorn", "--port", "{web}", "data_asgi:app")),),
        (
            Route("/?word={request}"),
            Route("/_memory.json?sql=select+1"),
            Route(
                "/_memory.json?sql=select+*+from+nothing",
                status=400,
                leaves=Counts(spans=1, exceptions=1),
            ),
            Route("/-/versions.json"),
            Route("/missing/{request}", status=404),
        ),
    ),
    Application(
        "aiohttp",
        "aiohttp",
        (Process("web", ("python", "{programs}/pages_aiohttp.py", "{web}")),),
        (
            Route("/page?word={request}"),
            Route("/warn", leaves=Counts(spans=1, logs=1)),
            Route("/call", leaves=Counts(spans=3, calls=2, logs=2)),
            Route("/task", leaves=Counts(spans=1, logs=1)),
            Route("/fail", status=500, leaves=_RAISES),
            Route("/refuse", status=403),
            Route("/missing/{request}", status=404),
        ),
    ),
    Application(
        "Celery",
        "celery",
        (
            _REDIS,
            Process("worker", _CELERY, _OF_JOBS, ready=" ready."),
            # Without threads: Celery's instrumentation makes a dictionary when a process publishes
            # a task for the first time, and two threads that do so at once lose one of theirs.
            Process("web", (*_GUNICORN, "jobs:app"), _OF_JOBS),
        ),
        (
            # Celery logs the success of a task at INFO, and its failure as an error.
            Route("/add?word={request}", leaves=Counts(spans=2, calls=1, logs=1)),
            Route("/warn", leaves=Counts(spans=2, calls=1, logs=3)),
            Route("/fail", status=502, leaves=Counts(spans=2, calls=1, logs=1, exceptions=1)),
        ),
    ),
    Application(
        "gRPC",
        "grpc",
        (
            Process("rpc", ("python", "{programs}/rpc_server.py", "{rpc}")),
            Process("web", (*_GUNICORN, "--threads", "4", "rpc_pages:app"), {"RPC_PORT": "{rpc}"}),
        ),
        (
            Route("/health/shop?word={request}", leaves=Counts(spans=2, calls=1)),
            # The instrumentations make an event of the error that a call is answered with, and of
            # `abort`.
            Route("/health/{request}", status=404, leaves=Counts(spans=2, calls=1, exceptions=1)),
            Route("/shop/warn", leaves=Counts(spans=2, calls=1, logs=1)),
            Route("/shop/fail", status=502, leaves=Counts(spans=2, calls=1, logs=1, exceptions=1)),
            Route("/shop/abort", status=502, leaves=Counts(spans=2, calls=1, exceptions=1)),
        ),
    ),
)
