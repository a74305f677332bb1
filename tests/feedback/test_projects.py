from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db.models import RestrictedError

from feedback.models import Feedback, Project, Reason
from feedback.projects import create_project
from tests.factories import make_feedback, make_output, make_user


@pytest.mark.django_db
class TestCreateProject:
    def test_gives_it_reasons_and_an_admin(self) -> None:
        project = create_project(slug="guide", name="Guide", admin=make_user())
        assert Reason.objects.current().filter(taxonomy__project=project).count() == 8
        assert project.memberships.get().may("admin")

    def test_refuses_a_slug_twice(self, project: Project) -> None:
        with pytest.raises(ValidationError, match="already exists"):
            create_project(slug=project.slug, name="Again", admin=make_user())


class TestDeletion:
    def test_of_a_project_takes_everything_along(self, project: Project) -> None:
        reason = Reason.objects.filter(taxonomy__project=project).first()
        assert reason is not None
        make_feedback(make_output(project)).reasons.add(reason)
        project.delete()
        assert not Feedback.objects.exists()

    def test_of_a_reason_in_use_is_refused(self, project: Project) -> None:
        reason = Reason.objects.filter(taxonomy__project=project).first()
        assert reason is not None
        make_feedback(make_output(project)).reasons.add(reason)
        with pytest.raises(RestrictedError):
            reason.delete()
