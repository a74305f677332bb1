"""The reasons every project starts with."""

from __future__ import annotations

from django.db import transaction

from feedback.models import Project, Reason, Taxonomy

# Slug, name, definition; the order is the reviewers' shortcut key.
DEFAULT_REASONS = [
    (
        "factually-incorrect",
        "Factually incorrect",
        "States something that is false, whatever the documents say.",
    ),
    (
        "unsupported",
        "Unsupported by the documents",
        "States something the retrieved documents do not say or contradict.",
    ),
    ("too-vague", "Too vague", "Leaves out the detail that would make the answer usable."),
    ("incomplete", "Incomplete", "Answers part of the question and leaves the rest."),
    ("wrong-tone", "Wrong tone", "Is rude, patronising, too casual or off brand."),
    ("misread-intent", "Misread intent", "Answers another question than the one asked."),
    ("unsafe", "Unsafe", "Could harm somebody, leaks private data or follows an injected order."),
    ("formatting", "Formatting", "Is repetitive, garbled, cut off or badly laid out."),
]


@transaction.atomic
def seed_reasons(*, project: Project) -> Taxonomy:
    """Give the project version 1 of the default taxonomy and return it."""
    taxonomy = Taxonomy.objects.create(project=project, version=1, is_current=True)
    Reason.objects.bulk_create(
        Reason(taxonomy=taxonomy, slug=slug, name=name, definition=definition, position=position)
        for position, (slug, name, definition) in enumerate(DEFAULT_REASONS, start=1)
    )
    return taxonomy
