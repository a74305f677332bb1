"""What a search looks at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.db.models import QuerySet

from feedback.filters import OutputFilter, words_condition
from feedback.models import Feedback, FeedbackWords, Output, OutputWords, Project
from feedback.models.feedback import FeedbackQuerySet
from feedback.models.output import OutputQuerySet


@dataclass(frozen=True, kw_only=True)
class Scope:
    """A project's outputs that match a filter, and the feedback on them.

    The filter's words have to be in what is found itself. Without a term feedback on whole
    sessions is looked at too.
    """

    project: Project
    wanted: OutputFilter

    @property
    def is_everything(self) -> bool:
        """Whether nothing of the project is left out."""
        return not (self.wanted.terms or self.wanted.words)

    def outputs(self) -> OutputQuerySet:
        """The outputs."""
        return self.wanted.apply(Output.objects.filter(project=self.project))

    def feedback(self) -> FeedbackQuerySet:
        """What was said."""
        found = Feedback.objects.filter(project=self.project)
        if self.wanted.terms:
            outputs = replace(self, wanted=replace(self.wanted, words=())).outputs()
            found = found.filter(output__in=outputs.values("pk"))
        if self.wanted.words:
            there = FeedbackWords.objects.filter(
                words_condition(self.wanted.words), project=self.project
            )
            found = found.filter(pk__in=there.values("pk"))
        return found

    def rows(self, words: type[OutputWords] | type[FeedbackWords]) -> QuerySet[Any]:
        """The rows whose words these are."""
        return self.outputs() if words is OutputWords else self.feedback()
