"""Shapes of what products get, over the API and over MCP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from curation import serving
from curation.prompts import Message


class EntrySource(BaseModel):
    """Where an entry comes from."""

    session: str | None
    output: str | None
    review: int | None
    feedback: list[str]
    annotations: list[int]


class ServedEntry(BaseModel):
    """An entry in the messages; `score` is its cosine similarity to the question.

    `why` is a note for people: it is not in the messages.
    """

    id: int
    kind: str
    query: str
    answer: str
    why: str
    score: float
    tokens: int
    source: EntrySource


class ContextReply(BaseModel):
    """Chat messages that are ready to be sent to the model."""

    library: str
    version: Annotated[
        int,
        Field(description="Number of the version that answered, or whose entries were held out."),
    ]
    entries: Annotated[
        list[ServedEntry], Field(description="In the order in which they stand in the messages.")
    ]
    messages: Annotated[
        list[Message], Field(description="The entries, then your messages unchanged.")
    ]
    tokens: Annotated[int, Field(description="Estimate of what the entries add.")]
    held_out: Annotated[
        bool, Field(description="Whether entries were withheld on purpose, to compare.")
    ]
    exposure: Annotated[
        UUID, Field(description="Send it back in `context.exposure` of the output.")
    ]

    @classmethod
    def of(cls, library: str, served: serving.Served, prompt: serving.Prompt) -> ContextReply:
        """What is said to whoever asked: the prompt, and where its entries come from."""
        sources = serving.sources([pick.entry.id for pick in prompt.picks])
        return cls(
            library=library,
            version=served.version.number,
            entries=[
                ServedEntry(
                    id=pick.entry.id,
                    kind=pick.entry.kind,
                    query=pick.entry.query,
                    answer=pick.entry.answer,
                    why=pick.entry.why,
                    score=pick.score,
                    tokens=pick.num_tokens,
                    source=EntrySource(**vars(sources[pick.entry.id])),
                )
                for pick in prompt.picks
            ],
            messages=prompt.messages,
            tokens=prompt.num_tokens,
            held_out=served.held_out,
            exposure=served.exposure,
        )
