from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from curation import complaints
from curation.models import Experiment, Exposure, LibraryVersion
from curation.rates import arm, crossed
from feedback.models import Project, Reason, Session
from tests.curation.exposed import answer, complain, publish, put_in
from tests.factories import (
    NOW,
    make_feedback,
    make_library,
    make_output,
    make_project,
    make_queue,
    make_review,
    make_session,
    make_theme,
    make_user,
)

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def trial(version: LibraryVersion, *, status: str, until: datetime) -> None:
    """The version was tried from NOW on, until that time."""
    Experiment.objects.create(
        version=version,
        salt="a",
        stages=[90],
        held_out=10,
        status=status,
        started_at=NOW,
        stage_since=NOW,
        ended_at=until,
    )


def expose(version: LibraryVersion, session: Session, at: datetime) -> None:
    """Serve the version to a session that has outputs already."""
    version.exposures.create(
        project=session.project,
        session_external_id=session.external_id,
        num_tokens=0,
        served_at=at,
    )


class TestByExposure:
    def test_sums_over_sessions_what_was_complained_of(self, project: Project) -> None:
        theme = make_theme(project)
        version = publish(make_library(project), theme)
        answer(project, 3, at=NOW, per_session=2, bad=1, theme=theme, others=1, version=version)
        answer(project, 2, at=NOW, version=version, held_out=True)
        counts = complaints.by_exposure(version=version)
        sessions = [(2.0, 1.0, 0.0), (2.0, 0.0, 1.0), (2.0, 0.0, 0.0)]
        assert counts.arm("served", theme=theme.pk) == arm(sessions)
        assert counts.arm("served") == arm([(2, 1, 0), (2, 1, 0), (2, 0, 0)])
        assert counts.arm("held out") == arm([(1, 0, 0), (1, 0, 0)])
        assert counts.themes() == {theme.pk}

    def test_an_output_that_several_complain_of_counts_once(self, project: Project) -> None:
        theme = make_theme(project)
        version = publish(make_library(project), theme)
        output = answer(project, 1, at=NOW, version=version)[0]
        put_in(theme, complain([output, output]))
        complain([output])
        counts = complaints.by_exposure(version=version)
        assert counts.arm("served", theme=theme.pk).complaints == 1
        assert counts.arm("served", theme=theme.pk).others == 0

    def test_what_was_held_out_from_no_session_makes_the_trial_no_longer(
        self, project: Project
    ) -> None:
        version = publish(make_library(project))
        answer(project, 2, at=NOW, version=version)
        answer(project, 2, at=NOW, version=version, held_out=True)
        answer(project, 3, at=NOW + 2 * DAY, version=version)
        over = {"is_held_out": True, "num_tokens": 0, "served_at": NOW + 5 * DAY}
        Exposure.objects.create(project=project, version=version, **over)
        counts = complaints.by_exposure(version=version)
        assert counts.arm("served").sessions == counts.arm("held out").sessions == 2

    def test_praise_and_behaviour_are_no_complaints(self, project: Project) -> None:
        version = publish(make_library(project))
        output = answer(project, 1, at=NOW, version=version)[0]
        complain([output], score=1.0)
        complain([output], score=0.0, comment="Hm.")
        make_feedback(output, is_implicit=True, name="rephrase")
        make_feedback(output, comment="Thanks.")
        assert complaints.by_exposure(version=version).arm("served").complaints == 0

    @pytest.mark.parametrize("kind", ["LLM", "CODE"])
    def test_what_a_program_judged_is_no_complaint(self, project: Project, kind: str) -> None:
        version = publish(make_library(project))
        output = answer(project, 1, at=NOW, version=version)[0]
        make_feedback(output, annotator_kind=kind, score=-1.0)
        make_feedback(output, annotator_kind=kind, correction="Better.")
        assert complaints.by_exposure(version=version).arm("served").complaints == 0

    def test_a_reason_or_a_better_answer_without_a_rating_is_one(self, project: Project) -> None:
        version = publish(make_library(project))
        outputs = answer(project, 2, at=NOW, version=version)
        make_feedback(outputs[0], correction="Better.")
        reason = Reason.objects.filter(taxonomy__project=project).first()
        assert reason
        make_feedback(outputs[1]).reasons.add(reason)
        assert complaints.by_exposure(version=version).arm("served").complaints == 2

    def test_what_came_before_the_context_was_fetched_does_not_count(
        self, project: Project
    ) -> None:
        version = publish(make_library(project))
        output = answer(project, 1, at=NOW, version=version)[0]
        make_output(project, output.session, at=NOW - timedelta(hours=1))
        assert complaints.by_exposure(version=version).arm("served").outputs == 1

    def test_an_output_counts_for_what_its_session_got_at_the_time(self, project: Project) -> None:
        """As the rest does of a first version that is given out in stages."""
        version = publish(make_library(project))
        again = answer(project, 1, at=NOW, bad=1, version=version, held_out=True)[0].session
        answer(project, 1, at=NOW, version=version)
        answer(project, 1, at=NOW + 9 * DAY, version=version, held_out=True)
        expose(version, again, NOW + 2 * DAY)
        make_output(project, again, at=NOW + DAY)
        complain([make_output(project, again, at=NOW + 3 * DAY)])
        counts = complaints.by_exposure(version=version)
        assert counts.arm("held out") == arm([(2, 1, 0), (1, 0, 0)])
        assert counts.arm("served") == arm([(1, 0, 0), (1, 1, 0)])

    def test_sessions_that_go_on_into_the_next_stage_while_complaints_grow_are_no_effect(
        self, project: Project
    ) -> None:
        """All come on two days; of eighty that got nothing half are served on the second."""
        version = publish(make_library(project))
        served = [one.session for one in answer(project, 20, at=NOW, bad=2, version=version)]
        held_out = answer(project, 80, at=NOW, bad=8, version=version, held_out=True)
        first, second = ([one.session for one in held_out[part::2]] for part in range(2))
        for session in first:
            expose(version, session, NOW + DAY)
        again = NOW + DAY + timedelta(hours=1)
        Exposure.objects.create(
            project=project,
            version=version,
            session_external_id=second[0].external_id,
            is_held_out=True,
            num_tokens=0,
            served_at=again,
        )
        for sessions in (served, first, second):
            outputs = [make_output(project, session, at=again) for session in sessions]
            complain(outputs[: len(outputs) * 3 // 10])
        served_arm, held_out_arm = complaints.by_exposure(version=version).beside()
        assert served_arm.rate == pytest.approx((2 + 18) / (20 + 60))
        assert held_out_arm.rate == pytest.approx(served_arm.rate)

    def test_what_a_session_has_on_several_days_is_weighed_before_it_is_summed(
        self, project: Project
    ) -> None:
        """Two outputs of one session, of which one counts for two and one for another number."""
        version = publish(make_library(project))
        again = [one.session for one in answer(project, 10, at=NOW, version=version, held_out=True)]
        answer(project, 10, at=NOW, version=version)
        answer(project, 30, at=NOW + DAY, version=version)
        answer(project, 1, at=NOW + DAY, version=version, held_out=True)
        for session in again:
            make_output(project, session, at=NOW + DAY)
        # Ten of ten, then thirty of eleven: of 21 in all beside forty.
        first, second = 21 / 40, 30 / 11 * 21 / 40
        held_out = complaints.by_exposure(version=version).arm("held out")
        assert held_out.outputs == pytest.approx(21)
        assert held_out.outputs_squared == pytest.approx(10 * (first + second) ** 2 + second**2)

    @pytest.mark.parametrize("status", ["ended", "stopped"])
    def test_what_comes_after_the_trial_counts_for_neither(
        self, project: Project, status: str
    ) -> None:
        """Those held out that come again get it then, or those served nothing."""
        version = publish(make_library(project))
        trial(version, status=status, until=NOW + timedelta(hours=1))
        sessions = [
            answer(project, 1, at=NOW, version=version, held_out=held_out)[0].session
            for held_out in (False, True)
        ]
        for session in sessions:
            if status == "ended":
                expose(version, session, NOW + timedelta(hours=2))
            complain([make_output(project, session, at=NOW + timedelta(hours=2))])
        answer(project, 3, at=NOW + timedelta(hours=3), version=version)
        counts = complaints.by_exposure(version=version)
        assert counts.arm("held out") == counts.arm("served") == arm([(1, 0, 0)])

    def test_what_nothing_was_held_out_from_counts_after_its_trial_too(
        self, project: Project
    ) -> None:
        version = publish(make_library(project))
        trial(version, status="ended", until=NOW + DAY)
        answer(project, 1, at=NOW + 2 * DAY, version=version)
        assert complaints.by_exposure(version=version).arm("served") == arm([(1, 0, 0)])

    def test_sessions_after_the_last_was_held_out_have_nothing_beside_them(
        self, project: Project
    ) -> None:
        version = publish(make_library(project))
        answer(project, 2, at=NOW, version=version)
        answer(project, 5, at=NOW + 9 * DAY, version=version)
        assert complaints.by_exposure(version=version).arm("served").sessions == 7
        answer(project, 1, at=NOW, version=version, held_out=True)
        assert complaints.by_exposure(version=version).arm("served").sessions == 2

    def test_held_out_ones_count_as_the_served_of_their_days(self, project: Project) -> None:
        version = publish(make_library(project))
        for at, num_served, share in ((NOW, 20, 10), (NOW + DAY, 80, 2)):
            answer(project, num_served, at=at, bad=num_served // share, version=version)
            answer(project, 20, at=at, bad=20 // share, version=version, held_out=True)
        counts = complaints.by_exposure(version=version)
        served, held_out = counts.beside()
        assert served.rate == pytest.approx(0.42)
        assert held_out.rate == pytest.approx(0.42)

    def test_a_session_of_another_project_with_the_same_id_does_not_count(
        self, project: Project
    ) -> None:
        version = publish(make_library(project))
        output = answer(project, 1, at=NOW, version=version)[0]
        other = make_project()
        same = make_session(other, external_id=output.session.external_id)
        complain([make_output(other, same)])
        assert complaints.by_exposure(version=version).arm("served") == arm([(1, 0, 0)])


class TestByTime:
    def test_sums_over_users_and_what_each_did_before_and_after(self, project: Project) -> None:
        """One user comes twice before and once after, another once before; one has no name."""
        theme = make_theme(project)
        before, after = NOW - DAY, NOW + DAY
        rows = [
            ("ann", before, 3, 1, 1),
            ("ann", before, 1, 1, 0),
            ("ann", after, 2, 1, 1),
            ("bob", before, 2, 0, 1),
            ("", after, 1, 1, 0),
        ]
        for user, at, number, bad, others in rows:
            session = make_session(project, user_external_id=user, started_at=at)
            outputs = [make_output(project, session, at=at) for _ in range(number)]
            put_in(theme, complain(outputs[:bad]))
            complain(outputs[bad : bad + others])
        counts = complaints.by_time(
            project=project, since=NOW - 3 * DAY, middle=NOW, until=NOW + 3 * DAY
        )
        former, later = counts.arm("before", theme=theme.pk), counts.arm("after", theme=theme.pk)
        assert former == replace(arm([(4, 2, 1), (2, 0, 1)]), sessions=3, users=2)
        assert later == replace(arm([(2, 1, 1), (1, 1, 0)]), users=2)
        both = counts.both(theme=theme.pk)
        assert both == crossed([(4, 2, 1), (2, 0, 1), (0, 0, 0)], [(2, 1, 1), (0, 0, 0), (1, 1, 0)])

    def test_leaves_out_what_was_between(self, project: Project) -> None:
        for days, number in ((-1, 3), (1, 4), (5, 2)):
            answer(project, number, at=NOW + days * DAY, bad=1)
        counts = complaints.by_time(
            project=project,
            since=NOW - 2 * DAY,
            middle=NOW,
            resumed=NOW + 4 * DAY,
            until=NOW + 6 * DAY,
        )
        assert (counts.arm("before").outputs, counts.arm("after").outputs) == (3, 2)

    def test_puts_users_beside_each_other_without_trying_each_with_each(
        self, project: Project
    ) -> None:
        """Also where the planner guesses that there are few of them."""
        for at in (NOW - DAY, NOW + DAY):
            answer(project, 400, at=at, bad=100)
        plans: list[str] = []

        def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            with connection.cursor() as cursor:
                cursor.cursor.execute(f"EXPLAIN {sql}", params)
                plans.extend(row[0] for row in cursor.cursor.fetchall())
            return execute(sql, params, many, context)

        with connection.execute_wrapper(explain):
            complaints.by_time(
                project=project, since=NOW - 2 * DAY, middle=NOW, until=NOW + 2 * DAY
            )
        joins = [line for line in plans if "Join Filter" in line and "unit" in line]
        assert joins == []

    def test_parts_outputs_at_a_time(self, project: Project) -> None:
        answer(project, 3, at=NOW - DAY, bad=2)
        answer(project, 4, at=NOW + DAY, bad=1)
        answer(project, 5, at=NOW + 9 * DAY)
        counts = complaints.by_time(
            project=project, since=NOW - 2 * DAY, middle=NOW, until=NOW + 2 * DAY
        )
        before, after = counts.arm("before"), counts.arm("after")
        assert (before.outputs, before.complaints) == (3, 2)
        assert (after.outputs, after.complaints) == (4, 1)

    def test_leaves_out_what_was_held_out(self, project: Project) -> None:
        version = publish(make_library(project))
        answer(project, 3, at=NOW + DAY, bad=3, version=version, held_out=True)
        answer(project, 2, at=NOW + DAY, bad=1, version=version)
        counts = complaints.by_time(
            project=project, since=NOW - DAY, middle=NOW, until=NOW + 2 * DAY
        )
        assert counts.arm("after").outputs == 2


class TestReviewed:
    def test_each_decision_stands_for_as_many_as_it_was_drawn_from(self, project: Project) -> None:
        version = publish(make_library(project))
        reviewer = make_user(project)
        queue = make_queue(project)
        common, rare = (
            queue.strata.create(position=place, name=name, rate=rate, is_audit=True)
            for place, (name, rate) in enumerate([("Rated down", 0.5), ("Others", 0.1)])
        )
        drawn = [(common, 0.5, "reject"), (rare, 0.1, "accept"), (rare, 0.1, "fix")]
        outputs = answer(project, 4, at=NOW, version=version)
        for output, (stratum, inclusion, verdict) in zip(outputs, drawn, strict=False):
            make_review(output, reviewer, verdict=verdict, is_authoritative=True)
            queue.items.create(
                output=output,
                stratum=stratum,
                inclusion=inclusion,
                fixed_rank=50,
                status="done",
                entered_at=NOW,
                closed_at=NOW,
            )
        # Half of what the second stratum drew is still to be decided.
        for _ in range(2):
            queue.items.create(
                output=make_output(project), stratum=rare, inclusion=0.1, entered_at=NOW
            )
        # What was not drawn by lot says nothing of others.
        make_review(outputs[3], reviewer, verdict="reject", is_authoritative=True)
        found = complaints.reviewed(version=version).arm("served")
        assert found.sessions == 3
        assert found.outputs == pytest.approx(2 + 20 + 20)
        assert found.complaints == pytest.approx(2 + 20)

    def test_what_was_decided_before_it_was_audited_stands_for_no_other(
        self, project: Project
    ) -> None:
        version = publish(make_library(project))
        queue, reviewer = make_queue(project), make_user(project)
        audit = queue.strata.create(position=1, name="Audit", is_audit=True)
        decided = [("reject", None), ("reject", None), ("accept", 50), ("fix", 40)]
        outputs = answer(project, 4, at=NOW, version=version)
        for output, (verdict, rank) in zip(outputs, decided, strict=True):
            make_review(output, reviewer, verdict=verdict, is_authoritative=True)
            queue.items.create(
                output=output,
                stratum=audit,
                fixed_rank=rank,
                status="done",
                entered_at=NOW,
                closed_at=NOW,
            )
        # Two were left out by lot.
        for _ in range(2):
            queue.items.create(
                output=make_output(project), stratum=audit, fixed_rank=30, entered_at=NOW
            )
        found = complaints.reviewed(version=version).arm("served")
        assert found.outputs == pytest.approx(1 + 1 + 2 + 2)
        assert found.complaints == pytest.approx(1 + 1 + 2)
