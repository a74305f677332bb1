"""/api/v1: what trackers report of issues, signed."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Path, Router, Status
from ninja.errors import AuthenticationError

from curation import polling, tasks
from curation.models import Tracker
from feedback.problems import Problem, invalid
from feedback.ringing import ring

router = Router(tags=["issues"])

UNSIGNED = "The address or the signature is not right."


@router.post(
    "/trackers/{uuid:hook}/report",
    auth=None,
    response={202: None, frozenset({401, 413, 422}): Problem},
    summary="Report what became of a ticket",
    url_name="report",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": polling.Report.model_json_schema(),
                    "example": {"issue": 3, "state": "closed", "resolution": "fixed"},
                }
            },
        },
        "parameters": [
            {
                "in": "header",
                "name": name,
                "schema": {"type": "string"},
                "description": description,
            }
            for name, description in (
                ("Postil-Timestamp", "Seconds of the epoch, of the last five minutes."),
                ("Postil-Signature", "v1= and the HMAC-SHA256 of timestamp, full stop and body."),
                ("X-Hub-Signature-256", "In their place, as GitHub and Jira sign."),
                ("X-Gitlab-Token", "In their place, as GitLab has it."),
            )
        ],
    },
)
def report(
    request: HttpRequest,
    hook: Annotated[UUID, Path(description="As the tracker's row in the settings has it.")],
) -> Status[None]:
    """Take a signed report of a webhook's receiver, or an event of a tracker.

    An event of GitHub, GitLab or Jira may have any body: the ticket is read again by it. 401 for an
    address or a signature that is not right.
    """
    tracker = Tracker.objects.kept().filter(hook=hook).first()
    if tracker is None:
        raise AuthenticationError(message=UNSIGNED)
    try:
        polling.report(
            tracker=tracker, headers=request.headers, body=request.body, now=timezone.now()
        )
    except polling.SignatureError as error:
        raise AuthenticationError(message=UNSIGNED) from error
    except polling.ReportError as error:
        raise invalid("", str(error)) from error
    ring(tasks.follow_tickets)
    ring(tasks.hand_over_issues)
    return Status(202, None)
