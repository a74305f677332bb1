"""The JSON API: routers of all packages, and one shape for whole-request faults."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, AuthorizationError, HttpError, ValidationError
from structlog import get_logger

from curation.api import router as curation_router
from curation.candidates_api import router as candidates_router
from curation.effects_api import router as effects_router
from curation.erasures_api import router as erasures_router
from curation.issues_api import router as issues_router
from curation.libraries_api import router as libraries_router
from curation.promotions_api import router as promotions_router
from curation.releases_api import router as releases_router
from curation.reports_api import router as reports_router
from feedback.api import router as feedback_router
from feedback.collect_api import router as collect_router
from feedback.problems import ConflictError, Problem
from review.agreement_api import router as agreement_router
from review.alike_api import router as alike_router
from review.annotations_api import router as annotations_router
from review.api import router as review_router
from review.audits_api import router as audits_router
from review.bulk_api import router as bulk_router
from review.claims_api import router as claims_router
from review.escalations_api import router as escalations_router
from review.my_work_api import router as my_work_router
from review.notifications_api import router as notifications_router
from review.queues_api import router as queues_router
from review.ranking_api import router as ranking_router
from review.reviews_api import router as reviews_router
from review.routes_api import router as routes_router
from review.routing_api import router as routing_router
from review.search_api import router as search_router
from review.suggestions_api import router as suggestions_router
from review.tags_api import router as tags_router
from review.themes_api import router as themes_router
from review.threads_api import router as threads_router
from review.views_api import router as views_router
from review.worklist_api import router as worklist_router

log = get_logger()

api = NinjaAPI(
    title="Postil",
    version="1",
    description="Send sessions, outputs and feedback; read them; review and tag; fetch context.",
    docs_url="/docs",
    openapi_url="/openapi.json",
)
api.add_router("", feedback_router)
api.add_router("", collect_router)
api.add_router("", review_router)
api.add_router("", claims_router)
api.add_router("", queues_router)
api.add_router("", worklist_router)
api.add_router("", audits_router)
api.add_router("", reviews_router)
api.add_router("", search_router)
api.add_router("", my_work_router)
api.add_router("", notifications_router)
api.add_router("", agreement_router)
api.add_router("", views_router)
api.add_router("", bulk_router)
api.add_router("", annotations_router)
api.add_router("", threads_router)
api.add_router("", suggestions_router)
api.add_router("", ranking_router)
api.add_router("", themes_router)
api.add_router("", tags_router)
api.add_router("", alike_router)
api.add_router("", routes_router)
api.add_router("", routing_router)
api.add_router("", escalations_router)
api.add_router("", curation_router)
api.add_router("", effects_router)
api.add_router("", releases_router)
api.add_router("", issues_router)
api.add_router("", reports_router)
api.add_router("", promotions_router)
api.add_router("", erasures_router)
api.add_router("", candidates_router)
api.add_router("", libraries_router)


@api.exception_handler(AuthenticationError)
def unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    message = str(error.message) if error.message else "Send an API key: Authorization: Bearer …"
    response = api.create_response(request, {"message": message}, status=401)
    response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(AuthorizationError)
def unauthorised(request: HttpRequest, error: AuthorizationError) -> HttpResponse:
    return api.create_response(request, {"message": str(error.message)}, status=403)


@api.exception_handler(HttpError)
def failed(request: HttpRequest, error: HttpError) -> HttpResponse:
    return api.create_response(request, {"message": str(error)}, status=error.status_code)


@api.exception_handler(ConflictError)
def conflicting(request: HttpRequest, error: ConflictError) -> HttpResponse:
    return api.create_response(request, Problem(message=str(error)), status=409)


@api.exception_handler(Http404)
def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    message = str(error) or "There is nothing here."
    return api.create_response(request, {"message": message}, status=404)


@api.exception_handler(RequestDataTooBig)
def too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    message = f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes."
    return api.create_response(request, {"message": message}, status=413)


@api.exception_handler(OperationalError)
def unavailable(request: HttpRequest, error: OperationalError) -> HttpResponse:
    log.error("database_unavailable", error=type(error.__cause__).__name__)
    message = "The database does not answer. Nothing of this request was stored; send it again."
    response = api.create_response(request, {"message": message}, status=503)
    response["Retry-After"] = "5"
    return response


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    def path(location: tuple[object, ...]) -> str:
        # A body's errors name the view's argument before the field.
        return ".".join(map(str, location[2 if location[0] == "body" else 1 :]))

    errors = [{"path": path(fault["loc"]), "message": fault["msg"]} for fault in error.errors]
    message = "; ".join(
        f"{fault['path']}: {fault['message']}".removeprefix(": ") for fault in errors
    )
    return api.create_response(request, {"message": message, "errors": errors}, status=422)
