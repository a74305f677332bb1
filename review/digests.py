"""Mails people what is new to them, once, and as often as they want."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from smtplib import SMTPNotSupportedError, SMTPRecipientsRefused, SMTPResponseException
from socket import gaierror

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from structlog import get_logger

from feedback.models import Project, User
from review.mail_times import next_mail
from review.models import Digest, DigestMail, Notification, NotificationChoice

# Lines of one mail; the inbox has them all.
MOST_LINES = 50
# How often a mail is tried that the server refused.
MOST_TRIES = 5
# The server said no, or was never reached: the mail is with nobody.
NOT_TAKEN = (
    SMTPResponseException,
    SMTPRecipientsRefused,
    SMTPNotSupportedError,
    ConnectionRefusedError,
    gaierror,
)
SAID = {
    Notification.Kind.MENTION: "{who} mentioned you",
    Notification.Kind.REPLY: "{who} replied in a thread of yours",
    Notification.Kind.DECIDED: "{who} decided on your suggestion",
    Notification.Kind.TAKEN: "{who} took an item over from you",
    Notification.Kind.DISPUTED: "Reviewers disagree, and you may decide",
    Notification.Kind.ESCALATED: "{who} escalated an answer",
    Notification.Kind.SETTLED: "{who} settled what you escalated",
    Notification.Kind.BULK: "Your bulk act has ended",
    Notification.Kind.APPROVAL: "{who} proposed a library, and you may approve",
    Notification.Kind.ANSWERED: "{who} decided on your proposal",
    Notification.Kind.PROMOTED: "Your bulk promotion has ended",
    Notification.Kind.RETURNED: "A product issue came back",
    Notification.Kind.NAMED: "{who} named you to review a queue",
}
_SALT = "review.digests"

log = get_logger()


class DigestError(ValueError):
    """A choice that cannot be; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How often a person is mailed, and the kinds they are told of in the inbox and by e-mail."""

    every: str
    in_app: list[str]
    by_mail: list[str]


def chosen(*, by: User) -> Choices:
    """What the person chose; until then they are told of every kind, and mailed never."""
    differ = {one.kind: one for one in NotificationChoice.objects.filter(user=by)}
    digest = Digest.objects.filter(user=by).first()
    kinds = Notification.Kind.values
    return Choices(
        every=digest.every if digest else Digest.Every.NEVER,
        in_app=[one for one in kinds if one not in differ or differ[one].in_app],
        by_mail=[one for one in kinds if one not in differ or differ[one].by_mail],
    )


@transaction.atomic
def choose(
    *, by: User, every: str, in_app: Collection[str], by_mail: Collection[str], now: datetime
) -> None:
    """Tell the person of these kinds in the inbox, and of those by e-mail, so often.

    Raises DigestError for what is unknown, and without an address to mail to.
    """
    if every not in Digest.Every.values:
        raise DigestError("Choose how often.")
    if every != Digest.Every.NEVER and not by.email:
        raise DigestError("Your account has no e-mail address. Whoever manages users can add one.")
    kinds = Notification.Kind.values
    if set(in_app) - set(kinds) or set(by_mail) - set(kinds):
        raise DigestError("There is no such kind of news.")
    NotificationChoice.objects.bulk_create(
        (
            NotificationChoice(user=by, kind=kind, in_app=kind in in_app, by_mail=kind in by_mail)
            for kind in kinds
        ),
        update_conflicts=True,
        unique_fields=["user", "kind"],
        update_fields=["in_app", "by_mail"],
    )
    _set(by, every, now)


@transaction.atomic
def stop(*, to: User, now: datetime) -> None:
    """Mail the person nothing any more."""
    _set(to, Digest.Every.NEVER, now)


def token(*, to: User) -> str:
    """What lets whoever has a mail of the person's stop their mails, and nothing else."""
    return signing.dumps(to.pk, salt=_SALT)


def who_has(*, token: str) -> User | None:
    """Whose mails the token stops; None when it is none of ours."""
    try:
        return User.objects.filter(pk=signing.loads(token, salt=_SALT)).first()
    except signing.BadSignature:
        return None


def make_due(*, now: datetime) -> int:
    """Put together the mails that are due; return how many.

    What a mail is about, and when the next one is due, are one transaction: a notification is put
    into one mail, whatever breaks off.
    """
    num_made = 0
    for pk in Digest.objects.filter(next_at__lte=now).order_by("next_at").values_list("pk"):
        with transaction.atomic():
            due = Digest.objects.select_for_update(skip_locked=True, of=("self",))
            digest = due.filter(pk=pk[0], next_at__lte=now).select_related("user").first()
            if digest is None:
                continue
            digest.next_at = _next(digest.every, now)
            digest.save(update_fields=["next_at"])
            num_made += _put_together(digest.user, now)
    return num_made


def send_waiting(*, now: datetime) -> int:
    """Send the mails that wait; return how many went."""
    waiting = DigestMail.objects.filter(status=DigestMail.Status.WAITING)
    return sum(_send(pk, now) for pk in waiting.order_by("pk").values_list("pk", flat=True))


def _put_together(user: User, now: datetime) -> bool:
    if not user.is_active or not user.email:
        return False
    unwanted = NotificationChoice.objects.filter(user=user, by_mail=False).values("kind")
    news = Notification.objects.unread().concerning(user).filter(mail=None)
    wanted = list(news.exclude(kind__in=unwanted).values_list("pk", flat=True))
    if not wanted:
        return False
    mail = DigestMail.objects.create(user=user, made_at=now)
    # What happened since in the same line is for the next one.
    Notification.objects.filter(pk__in=wanted, read_at=None, mail=None).update(mail=mail)
    return True


def _send(pk: int, now: datetime) -> bool:
    with transaction.atomic():
        waiting = DigestMail.objects.select_for_update(skip_locked=True, of=("self",))
        mail = (
            waiting.filter(pk=pk, status=DigestMail.Status.WAITING).select_related("user").first()
        )
        if mail is None:
            return False
        mail.status, mail.num_tries = DigestMail.Status.SENDING, mail.num_tries + 1
        mail.save(update_fields=["status", "num_tries"])
    news = Notification.objects.unread().concerning(mail.user).filter(mail=mail)
    lines = list(
        news.select_related("project", "actor").order_by("project__name", "-happened_at", "-pk")
    )
    try:
        if lines:
            _message(mail, lines).send()
    except NOT_TAKEN as error:
        mail.status = DigestMail.Status.WAITING
        if mail.num_tries >= MOST_TRIES:
            mail.status = DigestMail.Status.FAILED
        log.warning("mail_refused", mail=mail.pk, error=type(error).__name__)
    except OSError as error:
        # It broke off after the server was reached: it may be on its way.
        mail.status = DigestMail.Status.FAILED
        log.warning("mail_broke_off", mail=mail.pk, error=type(error).__name__)
    else:
        mail.status, mail.sent_at = DigestMail.Status.SENT, now
    mail.save(update_fields=["status", "sent_at"])
    return mail.status == DigestMail.Status.SENT and bool(lines)


def _message(mail: DigestMail, lines: Sequence[Notification]) -> EmailMultiAlternatives:
    of_project: dict[Project, list[tuple[str, str]]] = defaultdict(list)
    for line in lines[:MOST_LINES]:
        of_project[line.project].append((_said(line), _absolute(_path(line))))
    stop_url = _absolute(reverse("digest_stop", args=[token(to=mail.user)]))
    context = {
        "groups": [(_one_line(project.name), told) for project, told in of_project.items()],
        "num": len(lines),
        "num_more": max(0, len(lines) - MOST_LINES),
        "inbox": _absolute(reverse("inbox")),
        "preferences": _absolute(reverse("notification_choices")),
        "stop": stop_url,
    }
    message = EmailMultiAlternatives(
        subject=f"Postil: {len(lines)} new to you",
        body=render_to_string("review/digest/mail.txt", context),
        to=[mail.user.email],
        headers={
            "List-Unsubscribe": f"<{stop_url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    )
    message.attach_alternative(render_to_string("review/digest/mail.html", context), "text/html")
    return message


def _said(line: Notification) -> str:
    who = _one_line(line.actor.get_username()) if line.actor else "Somebody"
    said = SAID[Notification.Kind(line.kind)].format(who=who)
    return f"{said}, the last of {line.num} things" if line.num > 1 else said


def _path(line: Notification) -> str:
    slug = line.project.slug
    if line.path:
        return line.path
    if line.job_id:
        return reverse("bulk_job", args=[slug, line.job_id])
    if line.item_id:
        return reverse("item", args=[slug, line.item_id])
    return reverse("annotation", args=[slug, line.annotation_id])


def _absolute(path: str) -> str:
    return f"{settings.SITE_URL.rstrip('/')}{path}"


def _one_line(text: str) -> str:
    """The text without what would end its line: a name must not look like the mail's own words."""
    return " ".join(text.split())


def _next(every: str, now: datetime) -> datetime | None:
    if every == Digest.Every.NEVER:
        return None
    return next_mail(every=every, after=now.astimezone(UTC), hour=settings.DIGEST_HOUR)


def _set(user: User, every: str, now: datetime) -> None:
    digest, _ = Digest.objects.select_for_update().get_or_create(user=user)
    if digest.every != every:
        digest.every, digest.next_at = every, _next(every, now)
        digest.save()
    if every == Digest.Every.NEVER:
        DigestMail.objects.filter(user=user, status=DigestMail.Status.WAITING).delete()
