"""Django settings, read from the environment (see docs/reference/settings.md)."""

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import structlog
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config import env

BASE_DIR = Path(__file__).resolve().parent.parent

TESTING = env.boolean("POSTIL_TESTING", default=False)
DEBUG = env.boolean("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY")
if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured("SECRET_KEY must have at least 32 characters.")

ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_htmx",
    "csp",
    "ninja",
    "config",
    "feedback",
    "review",
    "curation",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "curation.forgetting.ForgetErased",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "review.context_processors.nav",
            ],
        },
    },
]


def database_from_url(url: str) -> dict[str, object]:
    """Return Django's settings for one postgresql:// URL; query parameters become libpq options."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL must start with postgresql://.")
    query: dict[str, object] = dict(parse_qsl(parts.query))
    host = query.pop("host", parts.hostname or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or ""),
        # What feedback.statements runs is prepared from its fifth run on.
        "OPTIONS": {"prepare_threshold": 5, **query},
        "ATOMIC_REQUESTS": False,
    }


DATABASES = {"default": database_from_url(env.text("DATABASE_URL"))}
# Each web process keeps a few connections open. Workers fork, and a pool must not cross a fork.
if pool_size := env.integer("DATABASE_POOL_SIZE", 0):
    DATABASES["default"]["OPTIONS"]["pool"] = {  # type: ignore[index]
        "min_size": 1,
        "max_size": pool_size,
        "timeout": 10,
    }

REDIS_URL = env.text("REDIS_URL")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL},
    # Cards as they were drawn, some ten megabytes a process; any change makes another key.
    "cards": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "TIMEOUT": 3600,
        "OPTIONS": {"MAX_ENTRIES": 3000},
    },
}

AUTH_USER_MODEL = "feedback.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Collected files lie beside their compressed copies, which are what browsers get.
    "staticfiles": {"BACKEND": "config.shipping.ShippedFilesStorage"},
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG or TESTING

# Where releases of training sets are written: the web server and the workers share it.
RELEASES_DIR = Path(env.text("RELEASES_DIR", str(BASE_DIR / "releases")))

# A request's body is capped where it is read: 16 MiB unpacked for ingestion, this for forms.
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

HTTPS = env.boolean("HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    },
    # Replies of the API are JSON; its documentation is a page.
    "EXCLUDE_URL_PREFIXES": ["/api/v1/ingest", "/api/v1/collect", "/api/v1/context", "/api/v1/mcp"],
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 540
CELERY_TASK_TIME_LIMIT = 600
# The broker hands a message out again after this time, so it must exceed the hard time limit.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_MAX_TASKS_PER_CHILD = 500
CELERY_TASK_ROUTES = {
    "feedback.tasks.embed": {"queue": "embeddings"},
    "review.tasks.embed_annotations": {"queue": "embeddings"},
    "curation.tasks.embed_drafts": {"queue": "embeddings"},
    # What goes on for minutes or hours holds nothing else up.
    "feedback.tasks.index_vectors": {"queue": "long"},
    "review.tasks.index_annotation_vectors": {"queue": "long"},
    "review.tasks.refresh_themes": {"queue": "long"},
    "review.tasks.retrain_triage": {"queue": "long"},
    "curation.tasks.check_gates": {"queue": "long"},
    "curation.tasks.propose_candidates": {"queue": "long"},
    "curation.tasks.sweep_releases": {"queue": "long"},
}
CELERY_BEAT_SCHEDULE = {
    "embed": {"task": "feedback.tasks.embed", "schedule": 15.0},
    "index-vectors": {"task": "feedback.tasks.index_vectors", "schedule": 600.0},
    "embed-annotations": {"task": "review.tasks.embed_annotations", "schedule": 15.0},
    "embed-drafts": {"task": "curation.tasks.embed_drafts", "schedule": 15.0},
    "index-annotation-vectors": {
        "task": "review.tasks.index_annotation_vectors",
        "schedule": 600.0,
    },
    "join-waiting": {"task": "feedback.tasks.join_waiting", "schedule": 30.0},
    "work-bulk": {"task": "review.tasks.work_bulk", "schedule": 5.0},
    "feed-queues": {"task": "review.tasks.feed_queues", "schedule": 30.0},
    "group-items": {"task": "review.tasks.group_items", "schedule": 30.0},
    "place-annotations": {"task": "review.tasks.place_annotations", "schedule": 60.0},
    "refresh-themes": {"task": "review.tasks.refresh_themes", "schedule": 60.0},
    "mail-digests": {"task": "review.tasks.mail_digests", "schedule": 300.0},
    "work-releases": {"task": "curation.tasks.work_releases", "schedule": 5.0},
    "work-promotions": {"task": "curation.tasks.work_promotions", "schedule": 5.0},
    "work-erasures": {"task": "curation.tasks.work_erasures", "schedule": 10.0},
    "propose-candidates": {"task": "curation.tasks.propose_candidates", "schedule": 60.0},
    "sweep-releases": {"task": "curation.tasks.sweep_releases", "schedule": 3600.0},
    "check-gates": {"task": "curation.tasks.check_gates", "schedule": 30.0},
    "retrain-triage": {"task": "review.tasks.retrain_triage", "schedule": 300.0},
    "watch-experiments": {"task": "curation.tasks.watch_experiments", "schedule": 300.0},
    "hand-over-issues": {"task": "curation.tasks.hand_over_issues", "schedule": 15.0},
    "follow-tickets": {"task": "curation.tasks.follow_tickets", "schedule": 60.0},
    "follow-themes": {"task": "curation.tasks.follow_themes", "schedule": 900.0},
}

# The directory of a sentence-transformers model, or its name on a hub; empty: the packaged model.
EMBEDDING_MODEL = env.text("EMBEDDING_MODEL", "")
# Mails are written to the log unless a server is named.
EMAIL_HOST = env.text("EMAIL_HOST", "")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
EMAIL_PORT = env.integer("EMAIL_PORT", 25)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.boolean("EMAIL_USE_TLS", default=False)
EMAIL_USE_SSL = env.boolean("EMAIL_USE_SSL", default=False)
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Postil <postil@localhost>")
# Where links of mails lead, and the hour of the day, in UTC, at which digests go out.
SITE_URL = env.text("SITE_URL", "http://127.0.0.1:8000")
DIGEST_HOUR = env.integer("DIGEST_HOUR", 6)
if not 0 <= DIGEST_HOUR < 24:
    raise ImproperlyConfigured("DIGEST_HOUR must be from 0 to 23.")

# Hosts, or host:port, that issues may be sent to although they are private or not https.
OUTGOING_HOSTS = env.words("OUTGOING_HOSTS")

# How long a record waits for the one it refers to, and how long rejected ones are shown.
WAITING_DAYS = env.integer("WAITING_DAYS", 7)
REJECTED_DAYS = env.integer("REJECTED_DAYS", 30)

logging_processors: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *logging_processors,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.KeyValueRenderer(
                key_order=["timestamp", "level", "event"]
            ),
            "foreign_pre_chain": logging_processors,
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        # Work lists are looked at every few seconds; that nothing was on them is no news.
        "celery": {"level": "WARNING"},
        "sentence_transformers": {"level": "WARNING"},
        # It tells of each request that it starts and ends.
        "mcp": {"level": "WARNING"},
    },
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
}
