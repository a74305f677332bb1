"""The answers to one question side by side, and ranking them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from feedback.models import Membership, Output
from review import ranking, rendering
from review.http import ProjectRequest, project_view
from review.views.selecting import whole


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One answer, rendered, and its place as the person gave or entered it, 0 for none."""

    output: Output
    html: SafeString
    place: int


@require_safe
@never_cache
@project_view(Membership.Role.VIEWER)
def compare(request: ProjectRequest, answer: int) -> HttpResponse:
    """Every member: all answers to the question of one. Experts and above may rank them.

    Nobody sees here what others decided or ranked, or which model answered.
    """
    return _page(request, _output(request, answer))


@require_POST
@project_view(Membership.Role.EXPERT)
def compare_rank(request: ProjectRequest, answer: int) -> HttpResponseBase:
    """Experts and above: store their order of the answers.

    409 when the answers have changed or are still judged blindly, 422 when a place is missing;
    what was entered is kept.
    """
    output = _output(request, answer)
    places = _numbers(request, "place-")
    try:
        ranking.rank_answers(
            output=output,
            by=request.user,
            places=places,
            versions=_numbers(request, "version-"),
            now=timezone.now(),
        )
    except (ranking.StaleRankingError, ranking.BlindRankingError) as error:
        return _page(request, output, places, problem=str(error), status=409)
    except ranking.RankingError as error:
        return _page(request, output, places, problem=str(error), status=422)
    messages.success(request, "Your ranks are stored.")
    return redirect("compare", request.project.slug, output.pk)


def _output(request: ProjectRequest, pk: int) -> Output:
    return get_object_or_404(Output.objects.filter(project=request.project), pk=pk)


def _numbers(request: ProjectRequest, prefix: str) -> Mapping[int, int]:
    """What the form's fields with this prefix say, by the primary key that ends their names."""
    return {
        whole(name.removeprefix(prefix)): whole(value)
        for name, value in request.POST.items()
        if name.startswith(prefix) and isinstance(value, str)
    }


def _page(
    request: ProjectRequest,
    output: Output,
    entered: Mapping[int, int] | None = None,
    *,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    outputs = ranking.compared(output=output)
    may_rank = request.membership.may(Membership.Role.EXPERT)
    places = entered
    if places is None:
        places = ranking.own_places(outputs=outputs, by=request.user) if may_rank else {}
    is_blind = ranking.is_blind(outputs=outputs)
    context = {
        "output": output,
        "answers": [
            Compared(
                output=one,
                html=mark_safe(rendering.render(one.text).bare),  # noqa: S308  (sanitised there)
                place=places.get(one.pk, 0),
            )
            for one in outputs
        ],
        "is_blind": is_blind,
        # What was entered stays in the form, also where it can no longer be stored.
        "takes_ranks": may_rank and (entered is not None or not is_blind),
        "places": range(1, len(outputs) + 1),
        "problem": problem,
    }
    return render(request, "review/compare/page.html", context, status=status)
