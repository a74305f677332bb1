"""Counts who complained of what, as sums over sessions that rates are told from.

An output is complained of when somebody rated it down, or gave a reason or a better answer without
any rating. What was seen of behaviour is no complaint, and neither is what a program judged: it
looks at what it is pointed at, and at more of it when that is changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from django.db import connection

from curation import strata
from curation.models import Experiment, LibraryVersion
from curation.rates import Arm, Crossed
from feedback.models import Project
from review.sampling import LOTS

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)

_IS_COMPLAINT = """NOT feedback.is_implicit AND feedback.annotator_kind = 'HUMAN' AND (
    feedback.score < 0
    OR feedback.score IS NULL AND (
        feedback.correction <> ''
        OR EXISTS (
            SELECT FROM feedback_feedbackreason given WHERE given.feedback_id = feedback.id
        )
    )
)"""

# How many sessions have outputs on each day, in each arm.
_DAYS = "SELECT arm, day, count(DISTINCT session_id) FROM ({outputs}) found GROUP BY arm, day"

# The same outputs, each with how many of its arm it stands for: those served for themselves.
_STANDARDIZED = """
SELECT found.*, coalesce(standard.weight, 1) AS stands_for
FROM ({outputs}) found
LEFT JOIN unnest(%(days)s::date[], %(weights)s::float8[]) AS standard (day, weight)
    ON standard.day = found.day AND found.arm <> 'served'
"""

# The outputs of each arm that a question is about, in front of what is counted of them. Units are
# put beside each other by sorting: how many there are no planner can know, and where it guesses few
# it would try each with each.
_SUMS = """
WITH outputs AS MATERIALIZED ({outputs}),
complained AS MATERIALIZED (
    SELECT DISTINCT outputs.arm, outputs.{unit} AS unit, outputs.output_id, outputs.stands_for,
        membership.theme_id
    FROM outputs
    JOIN feedback_feedback feedback ON feedback.output_id = outputs.output_id
    LEFT JOIN review_thememembership membership ON membership.feedback_id = feedback.id
    WHERE {complaint}
),
units AS (
    SELECT arm, unit, sum(number)::bigint AS number, sum(n)::float8 AS n, sum(c)::float8 AS c
    FROM (
        SELECT arm, {unit} AS unit, count(DISTINCT session_id) AS number, sum(stands_for) AS n,
            0 AS c
        FROM outputs GROUP BY arm, {unit}
        UNION ALL
        SELECT arm, unit, 0, 0, sum(stands_for)
        FROM (SELECT DISTINCT arm, unit, output_id, stands_for FROM complained) each
        GROUP BY arm, unit
    ) counted
    GROUP BY arm, unit
),
by_theme AS (
    SELECT arm, unit, theme_id, y, max(n) OVER own AS n, max(c) OVER own AS c,
        max(c) FILTER (WHERE arm = 'before') OVER every AS before_c,
        max(c) FILTER (WHERE arm = 'after') OVER every AS after_c,
        max(n) FILTER (WHERE arm = 'after') OVER every AS after_n
    FROM (
        SELECT arm, unit, theme_id, sum(stands_for)::float8 AS y, NULL AS n, NULL AS c
        FROM complained WHERE theme_id IS NOT NULL GROUP BY arm, unit, theme_id
        UNION ALL
        SELECT arm, unit, NULL, NULL, n, c FROM units
    ) of_units
    WINDOW own AS (PARTITION BY unit, arm), every AS (PARTITION BY unit)
)
SELECT arm, NULL, sum(number)::bigint, {users}, sum(n), sum(n * n), sum(c), sum(c * c),
    sum(n * c), 0
FROM units GROUP BY arm
UNION ALL
SELECT arm, theme_id, 0, 0, 0, 0, sum(y), sum(y * y), sum(n * y), sum(c * y)
FROM by_theme WHERE theme_id IS NOT NULL GROUP BY arm, theme_id
"""

# What the same users did after, times what they did before: of all complaints, then by theme.
_CROSSED = """
UNION ALL
SELECT 'both', NULL, 0, 0, sum(after_n * before_c), 0, sum(after_c * before_c), 0, 0, 0
FROM (
    SELECT sum(c) FILTER (WHERE arm = 'before') AS before_c,
        sum(c) FILTER (WHERE arm = 'after') AS after_c,
        sum(n) FILTER (WHERE arm = 'after') AS after_n
    FROM units GROUP BY unit
) of_unit
UNION ALL
SELECT 'both', theme_id, 0, 0, sum(after_n * was), 0, sum(later * was), 0,
    sum(later * before_c), sum(after_c * was)
FROM (
    SELECT theme_id, unit, before_c, after_c, after_n,
        coalesce(sum(y) FILTER (WHERE arm = 'after'), 0) AS later,
        coalesce(sum(y) FILTER (WHERE arm = 'before'), 0) AS was
    FROM by_theme WHERE theme_id IS NOT NULL AND before_c + after_c IS NOT NULL
    GROUP BY theme_id, unit, before_c, after_c, after_n
) of_unit
GROUP BY theme_id
"""

# From the first time on that context was fetched for them, and only on the days on which sessions
# were held out: later ones have nothing beside them. An output counts for what its session got at
# the time: of two, as with a later stage, the first until the other comes, or until the trial ends.
# Were such sessions left out, or counted no longer, those that come again and again would be
# missing in the one arm alone. The clocks of product and database may differ.
_BY_EXPOSURE = """
SELECT CASE WHEN exposed.is_held_out THEN 'held out' ELSE 'served' END AS arm,
    output.at::date AS day, session.id AS session_id, output.id AS output_id
FROM (
    SELECT session_external_id, is_held_out, min(served_at) AS since,
        lead(min(served_at)) OVER one AS until
    FROM curation_exposure
    WHERE version_id = %(version)s AND session_external_id <> ''
    GROUP BY session_external_id, is_held_out
    WINDOW one AS (PARTITION BY session_external_id ORDER BY min(served_at))
) exposed
CROSS JOIN (
    SELECT min(served_at)::date AS first, max(served_at)::date AS last,
        (SELECT ended_at FROM curation_experiment WHERE version_id = %(version)s) AS until
    FROM curation_exposure
    WHERE version_id = %(version)s AND is_held_out AND session_external_id <> ''
) trial
JOIN feedback_session session
    ON session.project_id = %(project)s AND session.external_id = exposed.session_external_id
JOIN feedback_output output ON output.session_id = session.id
    AND output.at >= exposed.since - interval '1 minute'
    AND output.at < coalesce(exposed.until - interval '1 minute', 'infinity')
WHERE trial.last IS NULL
    OR exposed.since < coalesce(trial.until, 'infinity')
    AND output.at < coalesce(trial.until, 'infinity')
    AND output.at::date BETWEEN trial.first AND trial.last
"""

# Sessions that came while a version was tried and the one before went to the rest, by which of the
# two they got at the time, and until the last day on which both were served.
_BESIDE_FORMER = """
SELECT CASE WHEN exposed.version_id = %(former)s THEN 'before' ELSE 'served' END AS arm,
    output.at::date AS day, session.id AS session_id, output.id AS output_id
FROM (
    SELECT session_external_id, version_id, min(served_at) AS since,
        lead(min(served_at)) OVER one AS until
    FROM curation_exposure
    WHERE version_id IN (%(version)s, %(former)s) AND session_external_id <> ''
        AND NOT is_held_out AND served_at >= %(since)s AND served_at < %(until)s
    GROUP BY session_external_id, version_id
    WINDOW one AS (PARTITION BY session_external_id ORDER BY min(served_at))
) exposed
CROSS JOIN (
    SELECT least(
        max(served_at) FILTER (WHERE version_id = %(former)s),
        max(served_at) FILTER (WHERE version_id = %(version)s)
    )::date AS last
    FROM curation_exposure
    WHERE version_id IN (%(version)s, %(former)s) AND session_external_id <> ''
        AND NOT is_held_out AND served_at >= %(since)s AND served_at < %(until)s
) trial
JOIN feedback_session session
    ON session.project_id = %(project)s AND session.external_id = exposed.session_external_id
JOIN feedback_output output ON output.session_id = session.id
    AND output.at >= exposed.since - interval '1 minute'
    AND output.at < coalesce(exposed.until - interval '1 minute', %(until)s)
    AND output.at < %(until)s AND output.at::date <= trial.last
"""

# Of all sessions but those that something was held out from. Those of one user are one unit, which
# their first one stands for; without a user each is one.
_BY_TIME = """
SELECT CASE WHEN session.user_external_id = '' THEN session.id
    ELSE min(session.id) OVER (PARTITION BY session.user_external_id) END AS unit,
    CASE WHEN output.at < %s THEN 'before' ELSE 'after' END AS arm,
    output.session_id, output.id AS output_id, 1 AS stands_for
FROM feedback_output output
JOIN feedback_session session ON session.id = output.session_id
WHERE output.project_id = %s AND output.at >= %s AND output.at < %s
AND (output.at < %s OR output.at >= %s)
AND session.external_id NOT IN (
    SELECT session_external_id FROM curation_exposure
    WHERE project_id = %s AND is_held_out AND served_at >= %s
)
"""

# The newest of each arm.
_EXPOSED = """
WITH outputs AS MATERIALIZED ({outputs}),
newest AS (
    SELECT *, row_number() OVER (PARTITION BY arm ORDER BY output_id DESC) AS place FROM outputs
)
SELECT newest.arm, newest.day, newest.session_id, newest.output_id, EXISTS (
    SELECT FROM feedback_feedback feedback
    WHERE feedback.output_id = newest.output_id AND {complaint}
), session.user_role, session.environment, output.model
FROM newest
JOIN feedback_session session ON session.id = newest.session_id
JOIN feedback_output output ON output.id = newest.output_id
WHERE place <= %(most)s ORDER BY newest.output_id
"""

# Outputs that a random audit drew and that were decided in their turn, each with how many it
# stands for: by the chance with which it came in, and by how much of its stratum is decided. What
# was decided by another rank than by lot stands for no other of its stratum.
_REVIEWED = """
WITH outputs AS MATERIALIZED ({outputs}),
items AS (
    SELECT id, output_id, stratum_id, inclusion, status IN ('done', 'escalated') AS is_decided,
        coalesce(fixed_rank BETWEEN {lots[0]} AND {lots[1]}, false) AS is_by_lot
    FROM review_queueitem
    WHERE stratum_id IN (
        SELECT stratum.id FROM review_stratum stratum
        JOIN review_queue queue ON queue.id = stratum.queue_id
        WHERE stratum.is_audit AND queue.project_id = %(project)s
    )
),
strata AS (
    SELECT stratum_id, count(*) FILTER (WHERE is_by_lot OR NOT is_decided)::float8
        / nullif(count(*) FILTER (WHERE is_by_lot AND is_decided), 0) AS per_decided
    FROM items
    GROUP BY stratum_id
)
SELECT DISTINCT ON (outputs.output_id) outputs.arm, outputs.day, outputs.session_id,
    CASE WHEN item.is_by_lot THEN strata.per_decided ELSE 1 END / item.inclusion AS weight,
    (review.verdict <> 'accept')::int AS is_faulty
FROM outputs
JOIN items item ON item.output_id = outputs.output_id AND item.is_decided
JOIN strata ON strata.stratum_id = item.stratum_id
JOIN review_review review ON review.output_id = outputs.output_id AND review.is_authoritative
ORDER BY outputs.output_id, item.inclusion DESC, item.id
"""

_REVIEWED_SUMS = """
SELECT arm, NULL, count(*), 0, sum(n), sum(n * n), sum(c), sum(c * c), sum(n * c), 0
FROM (
    SELECT arm, session_id, sum(weight * stands_for) AS n,
        sum(weight * stands_for * is_faulty) AS c
    FROM ({outputs}) outputs GROUP BY arm, session_id
) sessions
GROUP BY arm
"""


@dataclass(frozen=True)
class Exposed:
    """One output of a session that got a version, or got nothing, by the arms of by_exposure.

    `day` is when it came; the rest is who asked then, as far as its records tell.
    """

    arm: str
    day: date
    session: int
    output: int
    is_complained_of: bool
    role: str
    environment: str
    model: str


@dataclass(frozen=True, kw_only=True)
class _Sums:
    """What is summed over sessions or users, of all complaints or of those of a theme."""

    sessions: int = 0
    users: int = 0
    n: float = 0
    nn: float = 0
    y: float = 0
    yy: float = 0
    ny: float = 0
    cy: float = 0


_NONE = _Sums()


@dataclass(frozen=True)
class Counts:
    """What was counted in each arm, of all complaints and by theme.

    What those served are held against counts as if it came as they did, day by day: see strata.
    """

    _sums: dict[tuple[str, int | None], _Sums] = field(default_factory=dict)

    def arm(self, name: str, *, theme: int | None = None) -> Arm:
        """The arm of that name, with the complaints of the theme, or all for None."""
        every = self._sums.get((name, None), _NONE)
        sums = every if theme is None else self._sums.get((name, theme), _NONE)
        plain = Arm(
            sessions=every.sessions,
            users=every.users,
            outputs=every.n,
            complaints=sums.y,
            outputs_squared=every.nn,
            outputs_complaints=sums.ny,
            complaints_squared=sums.yy,
        )
        if theme is None:
            return plain
        return replace(
            plain,
            others=every.y - sums.y,
            others_squared=every.yy - 2 * sums.cy + sums.yy,
            outputs_others=every.ny - sums.ny,
            complaints_others=sums.cy - sums.yy,
        )

    def beside(self, *, theme: int | None = None, control: str = "held out") -> tuple[Arm, Arm]:
        """Those served, and those of `control`."""
        return self.arm("served", theme=theme), self.arm(control, theme=theme)

    def both(self, *, theme: int) -> Crossed:
        """What the same users did after and before, of complaints of the theme and of others."""
        every = self._sums.get(("both", None), _NONE)
        sums = self._sums.get(("both", theme), _NONE)
        return Crossed(
            complaints_complaints=sums.y,
            complaints_others=sums.ny - sums.y,
            others_complaints=sums.cy - sums.y,
            others_others=every.y - sums.ny - sums.cy + sums.y,
            outputs_complaints=sums.n,
            outputs_others=every.n - sums.n,
        )

    def themes(self) -> set[int]:
        """The themes that anybody complained in."""
        return {theme for _, theme in self._sums if theme is not None}


def by_exposure(*, version: LibraryVersion) -> Counts:
    """Outputs of sessions that got the version, `served`, and that got nothing, `held out`."""
    return _standardized(_summed, _BY_EXPOSURE, _exposed(version))


def by_version(*, experiment: Experiment) -> Counts:
    """Outputs of sessions that got the version tried, `served`, and the one `before` meanwhile.

    Nothing without one before.
    """
    parameters: dict[str, Any] = {
        "version": experiment.version_id,
        "former": experiment.baseline_id,
        "project": experiment.version.library.project_id,
        "since": experiment.started_at,
        "until": experiment.ended_at or FOREVER,
    }
    return _standardized(_summed, _BESIDE_FORMER, parameters)


def by_time(
    *,
    project: Project,
    since: datetime,
    middle: datetime,
    until: datetime,
    resumed: datetime | None = None,
) -> Counts:
    """Outputs `before` and `after` the middle, from `since` to `until`, without held-out ones.

    With `resumed`, those after the middle count from then on alone. The sums are over users, where
    it is known who they are: see rates.
    """
    return _counts(
        _summed(_BY_TIME, unit="unit") + _CROSSED,
        [middle, project.pk, since, until, middle, resumed or middle, project.pk, since],
    )


def reviewed(*, version: LibraryVersion) -> Counts:
    """What reviewers found in outputs that they drew by lot, each standing for those it may.

    The arms are those of by_exposure; complained of is what they fixed or rejected.
    """
    outputs = _REVIEWED.format(outputs=_BY_EXPOSURE, lots=LOTS)
    return _standardized(_of_reviewed, outputs, _exposed(version))


def exposed(*, version: LibraryVersion, most: int) -> list[Exposed]:
    """The newest outputs of each arm, at most so many of each, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            _EXPOSED.format(complaint=_IS_COMPLAINT, outputs=_BY_EXPOSURE),
            _exposed(version) | {"most": most},
        )
        return [Exposed(*row) for row in cursor.fetchall()]


def _summed(outputs: str, *, unit: str = "session_id") -> str:
    users = "0" if unit == "session_id" else "count(*)"
    return _SUMS.format(complaint=_IS_COMPLAINT, outputs=outputs, unit=unit, users=users)


def _of_reviewed(outputs: str) -> str:
    return _REVIEWED_SUMS.format(outputs=outputs)


def _exposed(version: LibraryVersion) -> dict[str, Any]:
    return {"version": version.pk, "project": version.library.project_id}


def _standardized(summed: Callable[[str], str], outputs: str, parameters: dict[str, Any]) -> Counts:
    """Those served, and the others as they would be if they came on the same days. Two queries."""
    found: dict[date, list[int]] = defaultdict(lambda: [0, 0])
    with connection.cursor() as cursor:
        cursor.execute(_DAYS.format(outputs=outputs), parameters)
        for arm, day, sessions in cursor.fetchall():
            found[day][arm != "served"] = sessions
    days = sorted(found)
    weights = strata.weights([(found[day][0], found[day][1]) for day in days])
    return _counts(
        summed(_STANDARDIZED.format(outputs=outputs)),
        parameters | {"days": days, "weights": weights},
    )


def _counts(
    statement: str,
    parameters: Sequence[int | datetime] | Mapping[str, Any],
) -> Counts:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
    return Counts(
        {
            (arm, theme): _Sums(
                sessions=sessions,
                users=users,
                n=n or 0,
                nn=nn or 0,
                y=y or 0,
                yy=yy or 0,
                ny=ny or 0,
                cy=cy,
            )
            for arm, theme, sessions, users, n, nn, y, yy, ny, cy in rows
        }
    )
