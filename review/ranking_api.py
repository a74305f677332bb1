"""/api/v1: the answers to one question, and a person's order of them, with their own key."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field

from feedback.authentication import OwnKeyAuth, member_of
from feedback.models import Membership, Output
from feedback.payloads import Id
from feedback.problems import ConflictError, Problem, invalid
from review import ranking
from review.resemblance import MOST_BESIDE
from review.thread_replies import output_of

router = Router(tags=["review"])

ERRORS = frozenset({401, 403, 404, 422})


class RankedReply(BaseModel):
    """One of the answers; `place` is the one you gave this version, 1 the best, null for none."""

    output: str
    version: int
    text: str
    place: int | None


class RankingReply(BaseModel):
    """All answers to one question, the oldest first; which model gave which is not told.

    With `is_blind` several people still judge one of them without knowing of each other, and none
    can be ranked.
    """

    question: str
    is_blind: bool
    answers: list[RankedReply]


class PlaceRequest(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    output: Id
    version: Annotated[int, Field(ge=1, description="As you saw it.")]
    place: Annotated[int, Field(ge=1, description="1 is the best; several may have one.")]


class RankingRequest(BaseModel):
    """A place for each of the answers to one question."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={
            "example": {
                "answers": [
                    {"output": "answer-7", "version": 1, "place": 2},
                    {"output": "answer-8", "version": 1, "place": 1},
                ]
            }
        },
    )

    answers: Annotated[list[PlaceRequest], Field(min_length=1, max_length=MOST_BESIDE + 1)]


@router.get(
    "/rankings",
    auth=OwnKeyAuth(Membership.Role.VIEWER),
    response={200: RankingReply, ERRORS: Problem},
    summary="Compare answers",
)
def read_ranking(
    request: HttpRequest,
    output: Annotated[str, Query(description="The sender's id of one of the answers.")],
) -> RankingReply:
    """Return all answers to the question of one, with your places; nobody sees others' here."""
    return _told(request, output_of(request, output))


@router.post(
    "/rankings",
    auth=OwnKeyAuth(Membership.Role.EXPERT),
    response={200: RankingReply, 409: Problem, ERRORS: Problem},
    summary="Rank answers",
)
def rank(request: HttpRequest, payload: RankingRequest) -> RankingReply:
    """Store your order of all answers to one question; what you ranked before is changed.

    409 when an answer came, went or changed since you looked, or some are still judged blindly.
    """
    output = output_of(request, payload.answers[0].output)
    numbers = {one.external_id: one.pk for one in ranking.compared(output=output)}
    sent = [one.output for one in payload.answers]
    for position, name in enumerate(sent):
        if name not in numbers or name in sent[:position]:
            path = f"answers.{position}.output"
            raise invalid(path, "This is no other answer to the question of the first.")
    try:
        ranking.rank_answers(
            output=output,
            by=member_of(request).user,
            places={numbers[one.output]: one.place for one in payload.answers},
            versions={numbers[one.output]: one.version for one in payload.answers},
            now=timezone.now(),
        )
    except (ranking.StaleRankingError, ranking.BlindRankingError) as error:
        raise ConflictError(str(error)) from error
    except ranking.RankingError as error:
        raise invalid("answers", str(error)) from error
    return _told(request, output)


def _told(request: HttpRequest, output: Output) -> RankingReply:
    outputs = ranking.compared(output=output)
    places = ranking.own_places(outputs=outputs, by=member_of(request).user)
    return RankingReply(
        question=output.query,
        is_blind=ranking.is_blind(outputs=outputs),
        answers=[
            RankedReply(
                output=one.external_id,
                version=one.version,
                text=one.text,
                place=places.get(one.pk),
            )
            for one in outputs
        ],
    )
