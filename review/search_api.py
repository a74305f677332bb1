"""/api/v1: finds outputs, feedback and annotations by words and meaning, as Explore does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest
from ninja import Router, Schema
from ninja.errors import HttpError
from pydantic import Field

from feedback.authentication import ApiKeyAuth, key_of
from feedback.browsing import browse
from feedback.embedding import get_encoder
from feedback.filter_syntax import MAX_TOKENS, Word
from feedback.filters import FilterError
from feedback.models import ApiKey, Embedding, Output, Project
from feedback.paging import CursorError
from feedback.problems import Problem, invalid
from feedback.search import MAX_LIMIT, Hit, Listing, Mode, more_like, search
from feedback.timeouts import TooSlowError
from review.commented import Remark, commented_page, search_comments
from review.filters import ReviewFilter

router = Router()
ERRORS = frozenset({401, 403, 404, 422, 503})

Question = Annotated[str, Field(max_length=2_000, description="What to look for.")]
By = Annotated[
    Mode, Field(description="By both, by words that all have to be there, or by meaning alone.")
]
Narrowing = Annotated[
    str, Field(max_length=2_000, description="As on every page: `model:a,b -tag:x theme:3`.")
]
Sort = Annotated[Literal["best", "newest"], Field(description="Of what was found.")]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str, Field(description="next_cursor of the page before.")]


class SearchHit(Schema):
    """An output or feedback; `part` is what of it is nearest, or what was found by its words.

    `meaning` is its cosine similarity, `words` the share of the question's words that it has,
    by their weight; null when it was not found that way. `score` is the first that is there.
    """

    type: Literal["output", "feedback"]
    id: str
    session: str
    output: str | None
    part: Embedding.Part
    text: str
    score: float
    words: float | None
    meaning: float | None
    at: datetime


class SearchReply(Schema):
    results: list[SearchHit]
    next_cursor: str | None


class AnnotationHit(Schema):
    """A comment or suggestion, or a reply to it; `exact` are the words that it marks.

    `text` is what was found, and `author` and `at` say who wrote that when. `reply` is null unless
    a reply was found; `id` is always that of the annotation.
    """

    type: Literal["annotation"] = "annotation"
    id: int
    reply: int | None
    session: str
    output: str
    author: str
    reason: str | None
    text: str
    exact: str
    replacement: str | None
    at: datetime


class FoundAnnotationsReply(Schema):
    results: list[AnnotationHit]
    next_cursor: str | None


@router.get(
    "/search",
    auth=ApiKeyAuth(ApiKey.Scope.READ),
    response={200: SearchReply, ERRORS: Problem},
    summary="Search by words and meaning",
)
def search_texts(
    request: HttpRequest,
    *,
    q: Question = "",
    like: Annotated[str, Field(description="Id of an output, for more like it.")] = "",
    mode: By = "hybrid",
    filter: Narrowing = "",  # noqa: A002  (the glossary's word)
    list: Annotated[  # noqa: A002  (as the page has it)
        Listing, Field(description="Everything, the best of each session, or one kind.")
    ] = "all",
    sort: Sort = "best",
    limit: Limit = 20,
    cursor: Cursor = "",
) -> SearchReply:
    """Return outputs and feedback that share words with `q` or are near it, or `like`, in meaning.

    The filter is about the outputs, and about those that the feedback is on.
    """
    project = key_of(request).project
    with _refusing():
        wanted = ReviewFilter.parse(filter)
        options: dict[str, Any] = {"listing": list, "limit": limit, "cursor": cursor}
        ranked = options | {
            "encoder": get_encoder(),
            "wanted": wanted,
            "newest_first": sort == "newest",
        }
        if like:
            found = more_like(output=_output(project, like), **ranked)
        elif not q.strip():
            raise invalid("q", "Say what to look for.")
        elif mode == "words" and sort == "newest":
            wanted = wanted.also(ReviewFilter(words=_words(q)))
            found = browse(project=project, wanted=wanted, by_words=True, **options)
        else:
            found = search(project=project, query=_plain(q), mode=mode, **ranked)
    return SearchReply(results=[_hit(hit) for hit in found.hits], next_cursor=found.next_cursor)


@router.get(
    "/search/annotations",
    auth=ApiKeyAuth(ApiKey.Scope.READ),
    response={200: FoundAnnotationsReply, ERRORS: Problem},
    summary="Search what was written beside answers",
)
def search_annotations(
    request: HttpRequest,
    *,
    q: Question = "",
    mode: By = "hybrid",
    filter: Narrowing = "",  # noqa: A002  (the glossary's word)
    sort: Sort = "best",
    limit: Limit = 20,
    cursor: Cursor = "",
) -> FoundAnnotationsReply:
    """Return comments and suggestions; the filter's terms are about the answers they stand beside.

    A person finds what they may see on the desk, a product what nobody is to be kept from. Without
    `q`, and by words alone, the newest come first.
    """
    key = key_of(request)
    person = key.membership.user if key.membership else None

    with _refusing():
        wanted = ReviewFilter.parse(filter)
        if mode == "words" or not q.strip():
            found = commented_page(
                project=key.project,
                wanted=wanted.also(ReviewFilter(words=_words(q))),
                by=person,
                limit=limit,
                cursor=cursor,
            )
        else:
            found = search_comments(
                project=key.project,
                query=_plain(q),
                encoder=get_encoder(),
                wanted=wanted,
                by=person,
                by_words=mode == "hybrid",
                newest_first=sort == "newest",
                limit=limit,
                cursor=cursor,
            )
    return FoundAnnotationsReply(
        results=[_remark(one) for one in found.rows], next_cursor=found.next_cursor
    )


def _output(project: Project, external_id: str) -> Output:
    found = Output.objects.filter(project=project, external_id=_plain(external_id)).first()
    if found is None:
        raise Http404("There is no such output.")
    return found


def _words(text: str) -> tuple[Word, ...]:
    return tuple(Word(word) for word in _plain(text).split()[:MAX_TOKENS])


def _plain(text: str) -> str:
    return text.replace("\x00", " ")


@contextmanager
def _refusing() -> Iterator[None]:
    """Tell what cannot be read, and what takes too long."""
    try:
        yield
    except CursorError as error:
        raise invalid("cursor", str(error)) from error
    except FilterError as error:
        raise invalid("filter", str(error)) from error
    except TooSlowError as error:
        raise HttpError(503, "The search took too long. Narrow it.") from error


def _hit(hit: Hit) -> SearchHit:
    target = hit.target
    output = target if isinstance(target, Output) else target.output
    [*_, (part, text)] = ((part, text) for part, text in hit.texts.items() if text)
    return SearchHit(
        type="output" if isinstance(target, Output) else "feedback",
        id=target.external_id,
        session=target.session.external_id,
        output=output.external_id if output else None,
        part=Embedding.Part(part),
        text=text,
        score=hit.score,
        words=hit.words,
        meaning=hit.meaning,
        at=target.at,
    )


def _remark(remark: Remark) -> AnnotationHit:
    annotation = remark.annotation
    return AnnotationHit(
        id=annotation.pk,
        reply=remark.reply.pk if remark.reply else None,
        session=annotation.output.session.external_id,
        output=annotation.output.external_id,
        author=remark.author.get_username(),
        reason=annotation.reason.slug if annotation.reason else None,
        text=remark.text,
        exact=annotation.exact,
        replacement=annotation.replacement,
        at=remark.created_at,
    )
