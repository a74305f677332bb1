"""Release files as HTTP responses, for the API and the pages."""

from __future__ import annotations

from django.http import StreamingHttpResponse

from curation import training_sets
from curation.models import Release


def release_download(release: Release, *, split: str, format_: str) -> StreamingHttpResponse:
    """Return one split of a release as a file of JSON lines, streamed as it is written."""
    response = StreamingHttpResponse(
        training_sets.lines(release=release, split=split, format_=format_),
        content_type="application/x-ndjson; charset=utf-8",
    )
    name = f"{release.training_set.slug}-r{release.number}-{split}-{format_}.jsonl"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
