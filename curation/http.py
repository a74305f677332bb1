"""Release files as HTTP responses, for the API and the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
    StreamingHttpResponse,
)

from curation import releasing, training_sets
from curation.models import Release, ReleaseFile

TYPES = {
    ".jsonl": "application/x-ndjson; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".yaml": "application/yaml; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".parquet": "application/vnd.apache.parquet",
}
_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


def release_download(
    request: HttpRequest, release: Release, *, split: str, format_: str
) -> HttpResponseBase:
    """Return one split of a release as a file of JSON lines, the same bytes at every call.

    A format that the release was not written in is streamed from its frozen rows, without ranges.
    """
    name = f"{release.training_set.slug}-r{release.number}-{split}-{format_}.jsonl"
    written = release.files.filter(split=split, format=format_).first()
    if written is not None:
        return file_response(request, release, written, name=name)
    response = StreamingHttpResponse(
        training_sets.lines(release=release, split=split, format_=format_),
        content_type=TYPES[".jsonl"],
    )
    return _attached(response, name)


def file_response(
    request: HttpRequest, release: Release, file: ReleaseFile, *, name: str = ""
) -> HttpResponseBase:
    """Return a file of a release, or the range of it that was asked for.

    RFC 9110: one range of bytes, If-Range and If-None-Match against a strong ETag, which is the
    SHA-256; 416 for a range beyond the end. Several ranges are answered by the whole file. Raises
    Http404 when the file is gone from the disk.
    """
    path = releasing.folder_of(release).path(file.path)
    if not path.is_file():
        raise Http404("The file is no longer on the disk.")
    etag = f'"{file.sha256}"'
    if etag in request.headers.get("If-None-Match", ""):
        response: HttpResponseBase = HttpResponseNotModified()
        response["ETag"] = etag
        return response
    size = file.num_bytes
    asked = request.headers.get("Range", "")
    if request.headers.get("If-Range", etag) != etag:
        asked = ""
    span = _span(asked, size)
    if span is not None and span[0] >= span[1]:
        response = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{size}"
        return response
    start, end = span or (0, size)
    response = StreamingHttpResponse(
        _bytes(path, start, end) if request.method != "HEAD" else iter(()),
        status=200 if span is None else 206,
        content_type=TYPES.get(path.suffix, "application/octet-stream"),
    )
    if span is not None:
        response["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    response["Content-Length"] = str(end - start)
    response["ETag"] = etag
    response["Accept-Ranges"] = "bytes"
    slug = release.training_set.slug
    return _attached(response, name or f"{slug}-r{release.number}-{file.path.replace('/', '-')}")


def _attached(response: HttpResponseBase, name: str) -> HttpResponseBase:
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """The bytes asked for, half open and within the file; empty for none of it, None for all."""
    found = _RANGE.fullmatch(asked.replace(" ", ""))
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return max(size - int(last), 0), size
    if last and int(last) < int(first):
        return None
    end = min(int(last) + 1, size) if last else size
    return int(first), end


def _bytes(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        while left and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
