"""The words of texts as the database's full-text search keeps them."""

from __future__ import annotations

from django.contrib.postgres.search import SearchVectorField
from django.db import models

from feedback.models.feedback import Feedback
from feedback.models.output import Output
from feedback.models.project import Project


class Words(models.Model):
    """Columns that PostgreSQL derives from a row's texts, apart from what else the row holds.

    They are large, and whoever loads a row has no use for them. `exact` has every word as it is
    and where it stands, `stems` the English stems without the commonest words.
    """

    project = models.ForeignKey(Project, models.DO_NOTHING, related_name="+")
    exact = SearchVectorField(db_column="words_exact")
    stems = SearchVectorField(db_column="words_stems")

    class Meta:
        abstract = True


class OutputWords(Words):
    """The words of an output's query and answer."""

    output = models.OneToOneField(
        Output, models.DO_NOTHING, primary_key=True, db_column="id", related_name="+"
    )

    class Meta:
        managed = False
        db_table = "feedback_output"

    def __str__(self) -> str:
        return f"words of {self.output_id}"


class FeedbackWords(Words):
    """The words of a feedback's comment and correction."""

    feedback = models.OneToOneField(
        Feedback, models.DO_NOTHING, primary_key=True, db_column="id", related_name="+"
    )

    class Meta:
        managed = False
        db_table = "feedback_feedback"

    def __str__(self) -> str:
        return f"words of {self.feedback_id}"
