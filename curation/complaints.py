"""Counts who complained of what, as sums over sessions that rates are told from.

An output is complained of when somebody rated it down, or gave a reason or a better answer without
any rating. What was seen of behaviour is no complaint, and neither is what a program judged: it
looks at what it is pointed at, and at more of it when that is changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property

from django.db import connection

from curation import rates, strata
from curation.models import Experiment, LibraryVersion
from curation.rates import Arm, Crossed
from feedback.models import Project

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

# The outputs of each arm that a question is about, in front of what is counted of them. Units are
# put beside each other by sorting: how many there are no planner can know, and where it guesses few
# it would try each with each.
_SUMS = """
WITH outputs AS MATERIALIZED ({outputs}),
complained AS MATERIALIZED (
    SELECT DISTINCT outputs.arm, outputs.{unit} AS unit, outputs.output_id, membership.theme_id
    FROM outputs
    JOIN feedback_feedback feedback ON feedback.output_id = outputs.output_id
    LEFT JOIN review_thememembership membership ON membership.feedback_id = feedback.id
    WHERE {complaint}
),
units AS (
    SELECT arm, unit, max(day) AS day, sum(number)::bigint AS number, sum(n)::float8 AS n,
        sum(c)::float8 AS c
    FROM (
        SELECT arm, {unit} AS unit, max(day) AS day, count(DISTINCT session_id) AS number,
            count(*) AS n, 0 AS c
        FROM outputs GROUP BY arm, {unit}
        UNION ALL
        SELECT arm, unit, NULL, 0, 0, count(DISTINCT output_id) FROM complained GROUP BY arm, unit
    ) counted
    GROUP BY arm, unit
),
by_theme AS (
    SELECT arm, unit, theme_id, y, max(day) OVER own AS day, max(n) OVER own AS n,
        max(c) OVER own AS c, max(c) FILTER (WHERE arm = 'before') OVER every AS before_c,
        max(c) FILTER (WHERE arm = 'after') OVER every AS after_c,
        max(n) FILTER (WHERE arm = 'after') OVER every AS after_n
    FROM (
        SELECT arm, unit, theme_id, count(*)::float8 AS y, NULL AS day, NULL AS n, NULL AS c
        FROM complained WHERE theme_id IS NOT NULL GROUP BY arm, unit, theme_id
        UNION ALL
        SELECT arm, unit, NULL, NULL, day, n, c FROM units
    ) of_units
    WINDOW own AS (PARTITION BY unit, arm), every AS (PARTITION BY unit)
)
SELECT arm, NULL, day, sum(number)::bigint, {users}, sum(n), sum(n * n), sum(c), sum(c * c),
    sum(n * c), 0
FROM units GROUP BY arm, day
UNION ALL
SELECT arm, theme_id, day, 0, 0, 0, 0, sum(y), sum(y * y), sum(n * y), sum(c * y)
FROM by_theme WHERE theme_id IS NOT NULL GROUP BY arm, day, theme_id
"""

# What the same users did after, times what they did before: of all complaints, then by theme.
_CROSSED = """
UNION ALL
SELECT 'both', NULL, NULL, 0, 0, sum(after_n * before_c), 0, sum(after_c * before_c), 0, 0, 0
FROM (
    SELECT sum(c) FILTER (WHERE arm = 'before') AS before_c,
        sum(c) FILTER (WHERE arm = 'after') AS after_c,
        sum(n) FILTER (WHERE arm = 'after') AS after_n
    FROM units GROUP BY unit
) of_unit
UNION ALL
SELECT 'both', theme_id, NULL, 0, 0, sum(after_n * was), 0, sum(later * was), 0,
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

# From the first time on that context was fetched for them, and only from the days on which
# sessions were held out: later ones have nothing beside them. A session counts for what it got
# first, until it gets the other, as with a later stage, or until the trial ends. Were such ones
# left out, only sessions that came but once would be left among those held out. The clocks of
# product and database may differ.
_BY_EXPOSURE = """
SELECT CASE WHEN exposed.is_held_out THEN 'held out' ELSE 'served' END AS arm,
    exposed.since::date AS day, session.id AS session_id, output.id AS output_id
FROM (
    SELECT session_external_id, least(served, held_out) AS since,
        coalesce(held_out < served, served IS NULL) AS is_held_out,
        least(
            CASE WHEN served <> held_out THEN greatest(served, held_out) END - interval '1 minute',
            CASE WHEN trial.last IS NOT NULL THEN trial.until END
        ) AS until
    FROM (
        SELECT session_external_id, min(served_at) FILTER (WHERE is_held_out) AS held_out,
            min(served_at) FILTER (WHERE NOT is_held_out) AS served
        FROM curation_exposure
        WHERE version_id = %(version)s AND session_external_id <> ''
        GROUP BY session_external_id
    ) each
    CROSS JOIN (
        SELECT min(served_at) AS first, max(served_at) AS last,
            (SELECT ended_at FROM curation_experiment WHERE version_id = %(version)s) AS until
        FROM curation_exposure
        WHERE version_id = %(version)s AND is_held_out AND session_external_id <> ''
    ) trial
    WHERE trial.last IS NULL OR least(served, held_out) < coalesce(trial.until, 'infinity')
        AND least(served, held_out)::date BETWEEN trial.first::date AND trial.last::date
) exposed
JOIN feedback_session session
    ON session.project_id = %(project)s AND session.external_id = exposed.session_external_id
JOIN feedback_output output ON output.session_id = session.id
    AND output.at >= exposed.since - interval '1 minute'
    AND output.at < coalesce(exposed.until, 'infinity')
"""

# Sessions that came while a version was tried and the one before went to the rest, by which of the
# two they got first, until they get the other, and until the last day on which both were served.
_BESIDE_FORMER = """
SELECT CASE WHEN exposed.is_former THEN 'before' ELSE 'served' END AS arm,
    exposed.since::date AS day, session.id AS session_id, output.id AS output_id
FROM (
    SELECT session_external_id, trial.last, least(served, former) AS since,
        coalesce(former < served, served IS NULL) AS is_former,
        CASE WHEN served <> former THEN greatest(served, former) END - interval '1 minute' AS until
    FROM (
        SELECT session_external_id, min(served_at) FILTER (WHERE version_id = %(former)s) AS former,
            min(served_at) FILTER (WHERE version_id = %(version)s) AS served
        FROM curation_exposure
        WHERE version_id IN (%(version)s, %(former)s) AND session_external_id <> ''
            AND served_at >= %(since)s AND served_at < %(until)s
        GROUP BY session_external_id
        HAVING NOT bool_or(is_held_out)
    ) each
    CROSS JOIN (
        SELECT least(
            max(served_at) FILTER (WHERE version_id = %(former)s),
            max(served_at) FILTER (WHERE version_id = %(version)s AND NOT is_held_out)
        )::date AS last
        FROM curation_exposure
        WHERE version_id IN (%(version)s, %(former)s) AND session_external_id <> ''
            AND served_at >= %(since)s AND served_at < %(until)s
    ) trial
    WHERE least(served, former)::date <= trial.last
) exposed
JOIN feedback_session session
    ON session.project_id = %(project)s AND session.external_id = exposed.session_external_id
JOIN feedback_output output ON output.session_id = session.id
    AND output.at >= exposed.since - interval '1 minute'
    AND output.at < coalesce(exposed.until, %(until)s) AND output.at < %(until)s
    AND output.at::date <= exposed.last
"""

# Of all sessions but those that something was held out from. Those of one user are one unit, which
# their first one stands for; without a user each is one.
_BY_TIME = """
SELECT CASE WHEN session.user_external_id = '' THEN session.id
    ELSE min(session.id) OVER (PARTITION BY session.user_external_id) END AS unit,
    CASE WHEN output.at < %s THEN 'before' ELSE 'after' END AS arm, NULL::date AS day,
    output.session_id, output.id AS output_id
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
# stands for: by the chance with which it came in, and by how much of its stratum is decided.
_REVIEWED = """
WITH outputs AS MATERIALIZED ({outputs}),
strata AS (
    SELECT stratum_id, count(*)::float8
        / nullif(count(*) FILTER (WHERE status IN ('done', 'escalated')), 0) AS per_decided
    FROM review_queueitem
    WHERE stratum_id IN (
        SELECT stratum.id FROM review_stratum stratum
        JOIN review_queue queue ON queue.id = stratum.queue_id
        WHERE stratum.is_audit AND queue.project_id = %(project)s
    )
    GROUP BY stratum_id
),
reviewed AS (
    SELECT DISTINCT ON (outputs.output_id) outputs.arm, outputs.day, outputs.session_id,
        strata.per_decided / item.inclusion AS weight,
        (review.verdict <> 'accept')::int AS is_faulty
    FROM outputs
    JOIN review_queueitem item ON item.output_id = outputs.output_id
        AND item.status IN ('done', 'escalated')
    JOIN strata ON strata.stratum_id = item.stratum_id
    JOIN review_review review ON review.output_id = outputs.output_id AND review.is_authoritative
    ORDER BY outputs.output_id, item.inclusion DESC, item.id
),
sessions AS (
    SELECT arm, day, session_id, sum(weight) AS n, sum(weight * is_faulty) AS c
    FROM reviewed GROUP BY arm, day, session_id
)
SELECT arm, NULL, day, count(*), 0, sum(n), sum(n * n), sum(c), sum(c * c), sum(n * c), 0
FROM sessions GROUP BY arm, day
"""


@dataclass(frozen=True)
class Exposed:
    """One output of a session that got a version, or got nothing, by the arms of by_exposure.

    `day` is when the session first asked; the rest is who asked then, as far as its records tell.
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
    """What was counted in each arm, of all complaints and by theme, day by day.

    The days are None where nothing is told by day.
    """

    _sums: dict[tuple[str, int | None, date | None], _Sums] = field(default_factory=dict)

    def arm(self, name: str, *, theme: int | None = None) -> Arm:
        """The arm of that name, with the complaints of the theme, or all for None."""
        return rates.total(self._by_day(name, theme).values())

    def beside(self, *, theme: int | None = None, control: str = "held out") -> tuple[Arm, Arm]:
        """Those served, and those of `control` as they would be if they came on the same days."""
        served, others = (self._by_day(name, theme) for name in ("served", control))
        days = sorted(served.keys() | others.keys(), key=lambda day: day or date.min)
        return strata.standardized(
            [(served.get(day, Arm()), others.get(day, Arm())) for day in days]
        )

    def both(self, *, theme: int) -> Crossed:
        """What the same users did after and before, of complaints of the theme and of others."""
        every = self._sums.get(("both", None, None), _NONE)
        sums = self._sums.get(("both", theme, None), _NONE)
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
        return {theme for _, theme, _ in self._sums if theme is not None}

    def _by_day(self, name: str, theme: int | None) -> dict[date | None, Arm]:
        return {day: self._of_day(name, theme, day) for day in self._days[name]}

    @cached_property
    def _days(self) -> dict[str, list[date | None]]:
        found = defaultdict[str, list[date | None]](list)
        for arm, of, day in self._sums:
            if of is None:
                found[arm].append(day)
        return found

    def _of_day(self, name: str, theme: int | None, day: date | None) -> Arm:
        every = self._sums[name, None, day]
        sums = every if theme is None else self._sums.get((name, theme, day), _NONE)
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


def by_exposure(*, version: LibraryVersion) -> Counts:
    """Outputs of sessions that got the version, `served`, and that got nothing, `held out`."""
    return _counts(_summed(_BY_EXPOSURE), _exposed(version))


def by_version(*, experiment: Experiment) -> Counts:
    """Outputs of sessions that got the version tried, `served`, and the one `before` meanwhile.

    Nothing without one before.
    """
    parameters = {
        "version": experiment.version_id,
        "former": experiment.baseline_id,
        "project": experiment.version.library.project_id,
        "since": experiment.started_at,
        "until": experiment.ended_at or FOREVER,
    }
    return _counts(_summed(_BESIDE_FORMER), parameters)


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
    return _counts(_REVIEWED.format(outputs=_BY_EXPOSURE), _exposed(version))


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


def _exposed(version: LibraryVersion) -> dict[str, int]:
    return {"version": version.pk, "project": version.library.project_id}


def _counts(
    statement: str,
    parameters: Sequence[int | datetime] | Mapping[str, int | datetime | None],
) -> Counts:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
    return Counts(
        {
            (arm, theme, day): _Sums(
                sessions=sessions,
                users=users,
                n=n or 0,
                nn=nn or 0,
                y=y or 0,
                yy=yy or 0,
                ny=ny or 0,
                cy=cy,
            )
            for arm, theme, day, sessions, users, n, nn, y, yy, ny, cy in rows
        }
    )
