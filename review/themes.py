"""Keeps a project's themes: lasting, named groups of what people said."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models import Count, F, Max, OuterRef, Q, Subquery
from django.db.models.functions import TruncWeek

from feedback.models import Embedding, Feedback, FeedbackReason, Project, User
from review import clustering, naming
from review.models import Event, QueueItem, Theme, ThemeMembership, ThemeRun

if TYPE_CHECKING:
    from review.clustering import Vectors

# Named with each run: another algorithm makes other themes of the same feedback.
ALGORITHM = "mutual-knn-leiden-1"
# Only so much of the newest feedback is grouped; the neighbours of each are sought among all.
MOST_FEEDBACK = 20_000
# A theme without members comes back when a new group's centre is so near to its own (cosine).
COMES_BACK = 0.85
# A change of similarity that is not worth a write.
SAME_SIMILARITY = 0.005
LONGEST_NAME = 200


class ThemeError(ValueError):
    """A theme that cannot be as asked for; `path` names the field."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@dataclass
class _Said:
    """What one feedback says: `key` names its vector and text, `theme` where it is now."""

    feedback: int
    embedding: int
    key: str
    reasons: list[str]
    source: int = 0
    text: str = ""
    theme: int | None = None


@transaction.atomic
def refresh(*, project: Project, encoder_model: str, now: datetime) -> ThemeRun | None:
    """Group the project's explicit feedback that carries words into themes.

    `encoder_model` is the id of the model whose vectors are used: of the comment, else of the
    correction. Themes last: one that goes on keeps its number, and a name people gave it. Does
    nothing, and returns None, when the feedback is the same as in the last run or another worker
    is at it; the items of queues get their themes either way.
    """
    if not _alone(project):
        return None
    said = _said(project, encoder_model)
    digest = _digest(said, encoder_model)
    last = ThemeRun.objects.filter(project=project).order_by("-started_at", "-pk").first()
    run = None
    if (said or last) and (last is None or last.digest != digest):
        run = _run(project, encoder_model, said, digest, now)
    _mark_items(project)
    return run


def refresh_all(*, encoder_model: str, now: datetime) -> int:
    """Refresh the themes of every project; return how many had something new."""
    runs = [
        refresh(project=project, encoder_model=encoder_model, now=now)
        for project in Project.objects.order_by("pk")
    ]
    return sum(run is not None for run in runs)


@transaction.atomic
def rename(*, theme: Theme, name: str, by: User, now: datetime) -> None:
    """Give the theme a name that lasts. Raises ThemeError when there is none or it is too long."""
    name = " ".join(name.split())
    if not name:
        raise ThemeError("name", "Give the theme a name.")
    if len(name) > LONGEST_NAME or "\x00" in name:
        raise ThemeError("name", f"Give at most {LONGEST_NAME} printable characters.")
    Theme.objects.filter(pk=theme.pk).update(name=name, named_by=by, updated_at=now)
    Event.objects.create(
        project_id=theme.project_id,
        actor=by,
        verb="renamed",
        target_type="theme",
        target_id=theme.pk,
        at=now,
    )


def _alone(project: Project) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"themes:{project.pk}"]
        )
        row = cursor.fetchone()
    return bool(row and row[0])


def _said(project: Project, encoder_model: str) -> list[_Said]:
    """What is grouped, in the order of the feedback's ids, without texts and vectors."""
    of_comment = Q(part=Embedding.Part.COMMENT) & ~Q(feedback__comment="")
    of_correction = Q(part=Embedding.Part.CORRECTION, feedback__comment="")
    rows = (
        Embedding.objects.filter(of_comment | of_correction, project=project, model=encoder_model)
        .filter(feedback__is_implicit=False)
        .order_by("-feedback__at", "-feedback")
        .values_list("feedback", "pk", "text_sha256")[:MOST_FEEDBACK]
    )
    reasons: dict[int, list[str]] = defaultdict(list)
    given = FeedbackReason.objects.filter(feedback__project=project, feedback__is_implicit=False)
    for feedback, name in given.order_by("reason").values_list("feedback", "reason__name"):
        reasons[feedback].append(name)
    return sorted(
        (
            _Said(feedback=feedback or 0, embedding=pk, key=key, reasons=reasons[feedback or 0])
            for feedback, pk, key in rows
        ),
        key=lambda one: one.feedback,
    )


def _digest(said: Sequence[_Said], encoder_model: str) -> str:
    digest = hashlib.sha256(f"{ALGORITHM}\n{encoder_model}\n".encode())
    for one in said:
        digest.update(f"{one.feedback} {one.key} {one.reasons}\n".encode())
    return digest.hexdigest()


def _run(
    project: Project, encoder_model: str, said: list[_Said], digest: str, now: datetime
) -> ThemeRun:
    begun = monotonic()
    vectors = _load(said)
    themes = {theme.pk: theme for theme in Theme.objects.filter(project=project)}
    numbers = {pk: number for number, pk in enumerate(sorted(themes))}
    sources = [one.source for one in said]
    groups = clustering.group(
        vectors,
        sources=sources,
        former=[clustering.NO_GROUP if one.theme is None else numbers[one.theme] for one in said],
    )
    described = naming.describe(
        texts=[one.text for one in said],
        groups=groups,
        sources=sources,
        reasons=[one.reasons for one in said],
        without=clustering.NO_GROUP,
    )
    # A theme that was erased leaves its number behind in filters; nothing else is to get it.
    given = ThemeRun.objects.filter(project=project).aggregate(last=Max("last_number"))["last"]
    run = ThemeRun.objects.create(
        project=project,
        model=encoder_model,
        algorithm=ALGORITHM,
        digest=digest,
        num_feedback=len(said),
        num_themes=len(described),
        last_number=max([given or 0, *(theme.number for theme in themes.values())]),
        started_at=now,
        finished_at=now + timedelta(seconds=monotonic() - begun),
    )
    middles = clustering.centroids(vectors, groups)
    goes_on = _going_on(said, groups, middles, themes, encoder_model)
    sizes = Counter(groups)
    kept = {
        found: _keep(
            goes_on.get(found) or Theme(project=project, created_at=now),
            described[found],
            size=sizes[found],
            middle=middles[found],
            run=run,
        )
        for found in sorted(described, key=lambda found: (-sizes[found], found))
    }
    run.save(update_fields=["last_number"])
    gone = set(themes) - {theme.pk for theme in kept.values()}
    Theme.objects.filter(pk__in=gone, size__gt=0).update(size=0, updated_at=now)
    _place(said, groups, vectors, middles, kept, run)
    count(project=project)
    return run


@transaction.atomic
def count(*, project: Project) -> None:
    """Write each theme's feedback per week and its reasons, which lists show."""
    themes = {theme.pk: theme for theme in Theme.objects.current().filter(project=project)}
    for theme in themes.values():
        theme.per_week, theme.reason_counts = {}, []
    said = Feedback.objects.filter(theme_membership__theme__in=themes)
    weeks = said.annotate(week=TruncWeek("at")).values_list("theme_membership__theme", "week")
    for pk, week, number in weeks.annotate(Count("pk")):
        themes[pk].per_week[week.date().isoformat()] = number
    given = FeedbackReason.objects.filter(feedback__in=said).values_list(
        "feedback__theme_membership__theme", "reason"
    )
    for pk, reason, number in given.annotate(number=Count("pk")).order_by("-number", "reason"):
        themes[pk].reason_counts.append([reason, number])
    Theme.objects.bulk_update(themes.values(), ["per_week", "reason_counts"])


def _load(said: Sequence[_Said]) -> Vectors:
    """The unit vectors of the rows; sets what else is known of them."""
    import numpy as np

    rows = {one.embedding: number for number, one in enumerate(said)}
    vectors: list[list[float]] = [[] for _ in said]
    texts = Embedding.objects.filter(pk__in=rows).values_list(
        "pk",
        "vector",
        "feedback__comment",
        "feedback__correction",
        "feedback__output",
        "feedback__session",
        "feedback__theme_membership__theme",
    )
    for pk, vector, comment, correction, output, session, theme in texts.iterator(chunk_size=2_000):
        one = said[rows[pk]]
        vectors[rows[pk]] = vector
        one.text = comment or correction
        # What is said of a whole session counts as one more source; outputs have positive ids.
        one.source = output or -session
        one.theme = theme
    if not said:
        return np.empty((0, 0), dtype=np.float32)
    found: Vectors = np.array(vectors, dtype=np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def _going_on(
    said: Sequence[_Said],
    groups: Sequence[int],
    middles: Mapping[int, Vectors],
    themes: Mapping[int, Theme],
    encoder_model: str,
) -> dict[int, Theme]:
    """The theme that each group goes on from: by its members, else by a centre close by."""
    old: dict[int, set[int]] = defaultdict(set)
    new: dict[int, set[int]] = defaultdict(set)
    for one, found in zip(said, groups, strict=True):
        if one.theme is not None:
            old[one.theme].add(one.feedback)
        if found != clustering.NO_GROUP:
            new[found].add(one.feedback)
    goes_on = {found: themes[pk] for found, pk in clustering.match(old, new).items()}
    left = [
        theme
        for theme in themes.values()
        if theme not in goes_on.values() and theme.model == encoder_model
    ]
    near = sorted(
        (
            (float(middle @ _vector(theme)), theme.number, found)
            for found, middle in middles.items()
            if found not in goes_on
            for theme in left
        ),
        reverse=True,
    )
    by_number = {theme.number: theme for theme in left}
    for similarity, number, found in near:
        if similarity >= COMES_BACK and found not in goes_on and number in by_number:
            goes_on[found] = by_number.pop(number)
    return goes_on


def _vector(theme: Theme) -> Vectors:
    import numpy as np

    vector: Vectors = np.array(theme.centroid, dtype=np.float32)
    return vector


def _keep(
    theme: Theme, described: naming.Description, *, size: int, middle: Vectors, run: ThemeRun
) -> Theme:
    """Write the theme as it is now; a new one gets the next number, a name people gave stays."""
    if theme.pk is None:
        run.last_number += 1
        theme.number = run.last_number
    theme.name = theme.name if theme.named_by_id else described.name[:LONGEST_NAME]
    theme.terms, theme.size, theme.model = described.terms, size, run.model
    theme.centroid = middle.tolist()
    theme.updated_at = run.started_at
    theme.save()
    return theme


def _place(
    said: Sequence[_Said],
    groups: Sequence[int],
    vectors: Vectors,
    middles: Mapping[int, Vectors],
    kept: Mapping[int, Theme],
    run: ThemeRun,
) -> None:
    """Write which feedback is in which theme, and only what differs from before."""
    wanted = {
        one.feedback: (kept[found].pk, float(vectors[row] @ middles[found]))
        for row, (one, found) in enumerate(zip(said, groups, strict=True))
        if found in kept
    }
    there = {
        membership.feedback_id: membership
        for membership in ThemeMembership.objects.filter(theme__project=run.project_id)
    }
    ThemeMembership.objects.filter(
        pk__in=[row.pk for feedback, row in there.items() if feedback not in wanted]
    ).delete()
    changed, new = [], []
    for feedback, (theme, similarity) in wanted.items():
        row = there.get(feedback)
        if row is None:
            row = ThemeMembership(feedback_id=feedback)
            new.append(row)
        elif row.theme_id == theme and abs(row.similarity - similarity) < SAME_SIMILARITY:
            continue
        else:
            changed.append(row)
        row.theme_id, row.similarity, row.run = theme, similarity, run
    ThemeMembership.objects.bulk_create(new, batch_size=2_000)
    ThemeMembership.objects.bulk_update(changed, ["theme", "similarity", "run"], batch_size=1_000)


def _mark_items(project: Project) -> None:
    """Give each item the theme that the feedback on its output is nearest to, to rank it anew."""
    nearest = Subquery(
        ThemeMembership.objects.filter(feedback__output=OuterRef("output"))
        .order_by("-similarity", "pk")
        .values("theme")[:1]
    )
    items = QueueItem.objects.filter(queue__project=project).annotate(nearest=nearest)
    items.filter(
        Q(theme=None, nearest__isnull=False)
        | Q(theme__isnull=False, nearest=None)
        | ~Q(theme=F("nearest"))
    ).update(theme=nearest, priority_version="")
