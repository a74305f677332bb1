"""Tags on a conversation, and the tags of a project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from feedback.embedding import model_id
from feedback.filter_syntax import Term, write
from feedback.models import Membership, Session, Tag
from feedback.paging import page
from review import tag_reports, tags
from review.http import ProjectRequest, project_view
from review.trail import tag_names
from review.views.tokens import changed

PAGE_SIZE = 100


@dataclass(frozen=True, kw_only=True)
class Tagging:
    """The tags of a session, each with where its like is, as a page shows them.

    `at` is the address of a list that ?tag= narrows, `back` the page to come back to without a
    script, `typed` what could not be taken.
    """

    session: Session
    tags: Sequence[tuple[str, str]]
    may_tag: bool
    at: str
    back: str
    typed: str = ""
    error: str = ""
    hints: tag_reports.Hints | None = None


def tagging(
    request: ProjectRequest, session: Session, *, names: Sequence[str], at: str = "", **more: str
) -> Tagging:
    """The tags that a page shows; without `at` they lead to the search.

    ?hints=1 asks for tags of similar sessions.
    """
    search = reverse("search", args=[request.project.slug])
    return Tagging(
        session=session,
        tags=[
            (
                name,
                f"{at}?{urlencode({'tag': name})}"
                if at
                else f"{search}?{urlencode({'q': write(terms=[Term('tag', (name,))])})}",
            )
            for name in names
        ],
        at=at,
        may_tag=request.membership.may(tags.MAY_TAG),
        hints=_hints(session) if request.GET.get("hints") else None,
        **({"back": request.get_full_path()} | more),
    )


@require_POST
@project_view(tags.MAY_TAG)
def session_tag(request: ProjectRequest, conversation: int) -> HttpResponseBase:
    """Taggers and above: put tags on a session, with commas between, and take tags off.

    With htmx the tags alone, else back to the page at `next`.
    """
    session = _session(request, conversation)
    sent = request.POST
    back, at = _inside(request, sent.get("next", "")), _inside(request, sent.get("at", ""))
    typed = [name for text in sent.getlist("add") for name in text.split(",")]
    error = ""
    try:
        tags.tag_sessions(
            project=request.project,
            sessions=[session],
            add=typed,
            remove=sent.getlist("remove"),
            by=request.user,
            now=timezone.now(),
        )
    except tags.TagError as refused:
        error = refused.message
    if not request.htmx:
        if error:
            messages.warning(request, error)
        # Not redirect(), which takes a word for the name of a page.
        return HttpResponseRedirect(
            back or reverse("session", args=[request.project.slug, session.external_id])
        )
    shown = tagging(
        request,
        session,
        names=tag_names(session=session),
        at=at,
        back=back,
        error=error,
        typed=", ".join(typed) if error else "",
    )
    status = 422 if error else 200
    return render(request, "review/tags/_tagging.html", {"tagging": shown}, status=status)


@require_safe
@project_view(tags.MAY_TAG)
def tag_hints(request: ProjectRequest, conversation: int) -> HttpResponseBase:
    """Taggers and above: tags that begin as ?add= does, else those of similar sessions."""
    session = _session(request, conversation)
    if not request.htmx:
        url = reverse("session", args=[request.project.slug, session.external_id])
        return redirect(f"{url}?hints=1#tags")
    if "add" in request.GET:
        head, comma, begun = request.GET["add"].rpartition(",")
        found = tag_reports.completions(project=request.project, text=begun)
        names = [f"{head}{comma} {name}" if comma else name for name in found]
        return render(request, "review/tags/_names.html", {"names": names})
    return render(request, "review/tags/_hints.html", {"hints": _hints(session)})


@require_safe
@project_view(Membership.Role.VIEWER)
def tag_list(request: ProjectRequest) -> HttpResponse:
    """Every member: the project's tags with how many sessions have them."""
    return _list(request)


@require_POST
@project_view(tags.MAY_RENAME)
def tag_rename(request: ProjectRequest, tag: int) -> HttpResponseBase:
    """Moderators: give a tag another name; the old one goes on to mean it."""
    found, name = _tag(request, tag), request.POST.get("name", "")
    try:
        renamed = tags.rename(tag=found, name=name, by=request.user, now=timezone.now())
    except tags.TagError as error:
        return _list(request, refused=_refused(found, "name", name, error), only=found)
    except tags.FormerTagError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, f"{found.name} is {renamed.name} now.")
    return redirect("tag_list", request.project.slug)


@require_POST
@project_view(tags.MAY_RENAME)
def tag_merge(request: ProjectRequest, tag: int) -> HttpResponseBase:
    """Moderators: make a tag mean another one, named by `into`."""
    found, name = _tag(request, tag), request.POST.get("into", "")
    try:
        into = tags.meant(project=request.project, name=name)
        kept = tags.merge(tag=found, into=into, by=request.user, now=timezone.now())
    except tags.TagError as error:
        return _list(request, refused=_refused(found, "into", name, error), only=found)
    except tags.FormerTagError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, f"{found.name} is {kept.name} now.")
    return redirect("tag_list", request.project.slug)


def _refused(tag: Tag, field: str, typed: str, error: tags.TagError) -> dict[str, object]:
    return {"tag": tag.pk, "field": field, "typed": typed, "message": error.message}


def _list(
    request: ProjectRequest, *, refused: dict[str, object] | None = None, only: Tag | None = None
) -> HttpResponse:
    """The page of the tags, or of one of them with what is wrong about a change."""
    wanted = "" if only else request.GET.get("q", "").strip()
    listed = tag_reports.listed(project=request.project, containing=wanted)
    if only is not None:
        listed = listed.filter(pk=only.pk)
    found = page(listed, order=["name", "id"], size=PAGE_SIZE, cursor=request.GET.get("cursor", ""))
    search = reverse("search", args=[request.project.slug])
    context = {
        "rows": [
            (tag, f"{search}?{urlencode({'q': write(terms=[Term('tag', (tag.name,))])})}")
            for tag in found.rows
        ],
        "more": changed(request.GET, cursor=found.next_cursor) if found.next_cursor else "",
        "may_rename": request.membership.may(tags.MAY_RENAME),
        "wanted": wanted,
        "refused": refused,
    }
    return render(request, "review/tags/list.html", context, status=422 if refused else 200)


def _hints(session: Session) -> tag_reports.Hints:
    return tag_reports.hints(session=session, model=model_id())


def _session(request: ProjectRequest, pk: int) -> Session:
    sessions = Session.objects.filter(project=request.project).select_related("project")
    return get_object_or_404(sessions, pk=pk)


def _tag(request: ProjectRequest, pk: int) -> Tag:
    return get_object_or_404(Tag.objects.filter(project=request.project), pk=pk)


def _inside(request: ProjectRequest, url: str) -> str:
    """The address if it is one of this site."""
    is_safe = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if is_safe else ""
