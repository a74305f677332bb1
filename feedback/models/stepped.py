"""What every long work has that is done in steps."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models


class Stepped(models.Model):
    """A long work that a worker does in steps, by a status of its own: see feedback.stepping.

    A step that raised is tried again, behind other rows; `num_failures` counts that. When it was
    too often the work has failed, and `problem` says of what.
    """

    ACTIVE: ClassVar[tuple[str, ...]]

    status: models.CharField[Any, Any]
    num_failures = models.PositiveSmallIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True, default="")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def is_active(self) -> bool:
        """Whether a worker has something to do about it."""
        return self.status in self.ACTIVE
