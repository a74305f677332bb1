"""/api/v1: releases of training sets, which are begun, followed, fetched and stopped."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from ninja import Path, Query, Router, Status
from ninja.errors import HttpError, ValidationError
from pydantic import BaseModel, ConfigDict, Field

from curation import gating, releasing, tasks, training_sets
from curation.http import file_response, release_download
from curation.models import Release, ReleasedExample, TrainingSet
from feedback.authentication import ApiKeyAuth, key_of
from feedback.embedding import model_id
from feedback.models import ApiKey, User
from feedback.problems import Problem
from feedback.ringing import ring

router = Router()

Format = Literal[
    "openai-sft",
    "openai-dpo",
    "trl-sft",
    "trl-preference",
    "trl-kto",
    "prompt-completion",
    "llamafactory-sft",
    "llamafactory-dpo",
    "llamafactory-kto",
    "axolotl-sft",
    "axolotl-dpo",
    "axolotl-kto",
    "evaluation",
    "examples",
]
ERRORS = frozenset({401, 403, 404, 409, 422})
EXPORT, RELEASE = ApiKeyAuth(ApiKey.Scope.EXPORT), ApiKeyAuth(ApiKey.Scope.RELEASE)
# The newest.
MOST_LISTED = 100


class WrittenFile(BaseModel):
    """A file of a release; `rows` is 0 for what stands beside them."""

    path: str
    bytes: int
    rows: int
    sha256: str


class ReleaseReply(BaseModel):
    """A release: how far it is, and its files once it is done."""

    training_set: str
    number: int
    status: Literal[
        "collecting", "held", "freezing", "writing", "hashing", "done", "cancelled", "failed"
    ]
    done: Annotated[float, Field(description="How far it is, from 0 to 1.")]
    problem: str
    content_hash: str
    examples: Annotated[dict[str, int], Field(description="By split.")]
    released_at: datetime
    files: list[WrittenFile]


class Revoked(BaseModel):
    """An example that is not to be used any more; `revoked_at` is null where nobody knows."""

    example: str
    reason: str
    revoked_at: datetime | None


class Revocations(BaseModel):
    """What of a release is not to be used any more."""

    revoked: list[Revoked]


class Releases(BaseModel):
    """The releases of a training set, the newest first, without their files."""

    releases: list[ReleaseReply]


class ReleaseRequest(BaseModel):
    """What the next release is written in."""

    model_config = ConfigDict(strict=True, extra="forbid")

    formats: Annotated[
        list[Format | Literal["huggingface"]],
        Field(max_length=20, description="Left out, all; an evaluation set as cases."),
    ] = []


@router.get(
    "/training-sets/{slug}/releases",
    auth=EXPORT,
    response={200: Releases, ERRORS: Problem},
    summary="List the releases of a training set",
)
def release_list(
    request: HttpRequest,
    slug: Annotated[str, Path(description="Slug of the training set.")],
) -> Releases:
    """Return the newest releases, at most 100, with how far each is; `files` is empty here."""
    releases = _training_set(request, slug).releases.order_by("-number")
    return Releases(releases=[_told(one, files=False) for one in releases[:MOST_LISTED]])


@router.post(
    "/training-sets/{slug}/releases",
    auth=RELEASE,
    response={201: ReleaseReply, ERRORS: Problem},
    summary="Begin a release of a training set",
)
def release_begin(
    request: HttpRequest,
    payload: ReleaseRequest,
    slug: Annotated[str, Path(description="Slug of the training set.")],
) -> Status[ReleaseReply]:
    """Have the examples frozen as the next release, and return it; ask for it until it is done.

    A set of up to 300 examples is held to its gates first. 409 says in words what holds the release
    up: rows that fail a gate, one that is being made already, or nothing new.
    """
    training_set, by = _training_set(request, slug), _by(request)
    gating.check_few(training_set=training_set, by=by, vectors=model_id(), clock=timezone.now)
    try:
        made = releasing.start(
            training_set=training_set, by=by, now=timezone.now(), formats=payload.formats
        )
    except training_sets.TrainingSetError as error:
        raise HttpError(409, str(error)) from error
    ring(tasks.work_releases)
    return Status(201, _told(made))


@router.post(
    "/training-sets/{slug}/releases/{int:number}/cancel",
    auth=RELEASE,
    response={200: ReleaseReply, ERRORS: Problem},
    summary="Stop a release that is being made",
)
def release_cancel(
    request: HttpRequest,
    slug: Annotated[str, Path(description="Slug of the training set.")],
    number: Annotated[int, Path(description="Number of the release.")],
) -> ReleaseReply:
    """Stop a release, which deletes what it wrote. 409 where it is whole or was stopped."""
    found, by = _release(request, slug, number, is_done=False), _by(request)
    try:
        releasing.cancel(release=found, by=by, now=timezone.now())
    except releasing.OverError as error:
        raise HttpError(409, str(error)) from error
    return _told(_release(request, slug, number, is_done=False))


@router.post(
    "/training-sets/{slug}/releases/{int:number}/check",
    auth=RELEASE,
    response={200: ReleaseReply, ERRORS: Problem},
    summary="Check a held release again",
)
def release_check(
    request: HttpRequest,
    slug: Annotated[str, Path(description="Slug of the training set.")],
    number: Annotated[int, Path(description="Number of the release.")],
) -> ReleaseReply:
    """Have the examples of a `held` release checked; unless a row fails, it goes on by itself.

    409 where it is not held, or there is nothing to check.
    """
    found, by = _release(request, slug, number, is_done=False), _by(request)
    try:
        releasing.check_again(release=found, by=by, now=timezone.now())
    except (releasing.OverError, gating.GateError) as error:
        raise HttpError(409, str(error)) from error
    ring(tasks.check_gates)
    return _told(_release(request, slug, number, is_done=False))


@router.get(
    "/training-sets/{slug}/releases/{int:number}",
    auth=EXPORT,
    response={200: ReleaseReply, ERRORS: Problem},
    summary="Read a release of a training set",
)
def release_status(
    request: HttpRequest,
    slug: Annotated[str, Path(description="Slug of the training set.")],
    number: Annotated[int, Path(description="Number of the release.")],
) -> ReleaseReply:
    """Return how far a release is, its content hash and its files with their hashes."""
    return _told(_release(request, slug, number, is_done=False))


@router.get(
    "/training-sets/{slug}/releases/{int:number}/revocations",
    auth=EXPORT,
    response={200: Revocations, ERRORS: Problem},
    summary="Read what of a release is revoked",
)
def release_revocations(
    request: HttpRequest,
    slug: Annotated[str, Path(description="Slug of the training set.")],
    number: Annotated[int, Path(description="Number of the release.")],
) -> Revocations:
    """Return the examples that are not to be used any more, by the ids they have in the files."""
    found = _release(request, slug, number)
    return Revocations(
        revoked=[Revoked.model_validate(one) for one in releasing.revocations(release=found)]
    )


@router.get(
    "/training-sets/{slug}/releases/{int:number}/files/{path:path}",
    auth=EXPORT,
    summary="Download a file of a release, or a range of it",
    openapi_extra={
        "responses": {
            200: {
                "description": "The file. Its ETag is its SHA-256.",
                "content": {
                    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
                },
            },
            206: {"description": "The range of bytes that the header Range asks for."},
            304: {"description": "If-None-Match names the file's ETag."},
            401: {"description": "No API key, or an unknown one."},
            403: {"description": "The API key lacks the scope “export”."},
            404: {"description": "There is no such release or file."},
            416: {"description": "The range begins beyond the end."},
        }
    },
)
def release_written(
    request: HttpRequest,
    slug: Annotated[str, Path(description="Slug of the training set.")],
    number: Annotated[int, Path(description="Number of the release.")],
    path: Annotated[str, Path(description="Path of the file, as the release lists it.")],
) -> HttpResponseBase:
    """Return a file as it was written; a download that broke off goes on with Range."""
    found = _release(request, slug, number)
    file = None if "\0" in path else found.files.filter(path=path).first()
    if file is None:
        raise HttpError(404, "There is no such file.")
    return file_response(request, found, file)


@router.get(
    "/training-sets/{slug}/releases/{int:number}/{split}.jsonl",
    auth=EXPORT,
    summary="Download a release of a training set",
    openapi_extra={
        "responses": {
            200: {
                "description": "One example a line.",
                "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
            },
            401: {"description": "No API key, or an unknown one."},
            403: {"description": "The API key lacks the scope “export”."},
            404: {"description": "There is no such release or split."},
            422: {"description": "The format or another parameter is unknown."},
        }
    },
)
def release_file(
    request: HttpRequest,
    slug: Annotated[str, Path(description="Slug of the training set.")],
    number: Annotated[int, Path(description="Number of the release.")],
    split: Annotated[str, Path(description="`train`, `validation` or `test`.")],
    format_: Annotated[Format, Query(alias="format")] = "openai-sft",
) -> HttpResponseBase:
    """Return one split of a release as JSON lines, the same bytes at every call.

    Each format has the examples that it can hold: `openai-dpo` those with a better and a worse
    answer.
    """
    if unknown := set(request.GET) - {"format"}:
        raise ValidationError(
            [{"loc": ("query", name), "msg": "There is no such parameter."} for name in unknown]
        )
    release = training_sets.find_release(
        project=key_of(request).project,
        slug=slug,
        number=number,
    )
    if release is None or split not in ReleasedExample.Split.values:
        raise HttpError(404, "There is no such release or split.")
    return release_download(request, release, split=split, format_=format_)


def _training_set(request: HttpRequest, slug: str) -> TrainingSet:
    sets = key_of(request).project.training_sets
    found: TrainingSet | None = None if "\0" in slug else sets.filter(slug=slug).first()
    if found is None:
        raise HttpError(404, "There is no such training set.")
    return found


def _release(request: HttpRequest, slug: str, number: int, *, is_done: bool = True) -> Release:
    found = training_sets.find_release(
        project=key_of(request).project,
        slug=slug,
        number=number,
        is_done=is_done,
    )
    if found is None:
        raise HttpError(404, "There is no such release.")
    return found


def _by(request: HttpRequest) -> User:
    """Whose key it is, or who made the product's."""
    key = key_of(request)
    by = key.membership.user if key.membership else key.created_by
    if by is None:
        raise HttpError(403, "Whoever made this key is gone, and a release needs somebody's name.")
    return by


def _told(release: Release, *, files: bool = True) -> ReleaseReply:
    return ReleaseReply(
        training_set=release.training_set.slug,
        number=release.number,
        status=release.status,  # type: ignore[arg-type]
        done=1.0 if release.status == release.Status.DONE else release.share_done,
        problem=release.problem,
        content_hash=release.content_hash,
        examples={
            "train": release.num_train,
            "validation": release.num_validation,
            "test": release.num_test,
        },
        released_at=release.released_at,
        files=[
            WrittenFile(path=one.path, bytes=one.num_bytes, rows=one.num_rows, sha256=one.sha256)
            for one in release.files.order_by("path")
        ]
        if files
        else [],
    )
