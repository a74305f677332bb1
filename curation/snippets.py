"""PURE. Code that puts a library's context into the prompts of common clients, ready to copy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Snippet:
    """One way to do it. `slug` names it in addresses."""

    slug: str
    title: str
    note: str
    code: str


_FETCH = """import json
import os
import urllib.request


def fetch_context(question, session):
    request = urllib.request.Request(
        "{site}/api/v1/context",
        json.dumps({{"library": "{library}", "query": question, "session": session}}).encode(),
        {{
            "Authorization": "Bearer " + os.environ["POSTIL_API_KEY"],
            "Content-Type": "application/json",
        }},
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)

"""

_CURL = """curl {site}/api/v1/context \\
  -H "Authorization: Bearer $POSTIL_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{"library": "{library}", "query": "When is the library open?", "session": "s-1"}}'
"""

_OPENAI = (
    _FETCH
    + """
from openai import OpenAI

question, session = "When is the library open?", "s-1"
context = fetch_context(question, session)
answer = OpenAI().chat.completions.create(model="gpt-4.1", messages=context["messages"])
print(answer.choices[0].message.content)
# Send context["exposure"] with the output's record, as context.exposure.
"""
)

_ANTHROPIC = (
    _FETCH
    + """
from anthropic import Anthropic

question, session = "When is the library open?", "s-1"
context = fetch_context(question, session)
# Anthropic takes system text apart from the turns.
system = [one["content"] for one in context["messages"] if one["role"] == "system"]
turns = [one for one in context["messages"] if one["role"] in ("user", "assistant")]
answer = Anthropic().messages.create(
    model="claude-sonnet-4-5", max_tokens=1024, system="\\n\\n".join(system), messages=turns
)
print(answer.content[0].text)
# Send context["exposure"] with the output's record, as context.exposure.
"""
)

_LANGCHAIN = (
    _FETCH
    + """
from langchain_openai import ChatOpenAI

question, session = "When is the library open?", "s-1"
context = fetch_context(question, session)
# Pairs are taken as they are: text in braces is no template.
messages = [(one["role"], one["content"]) for one in context["messages"]]
print(ChatOpenAI(model="gpt-4.1").invoke(messages).content)
# Send context["exposure"] with the output's record, as context.exposure.
"""
)

_MCP_HTTP = """{{
  "mcpServers": {{
    "postil": {{
      "type": "http",
      "url": "{site}/api/v1/mcp",
      "headers": {{"Authorization": "Bearer ${{POSTIL_API_KEY}}"}}
    }}
  }}
}}
"""

_MCP_STDIO = """{{
  "mcpServers": {{
    "postil": {{
      "command": "python",
      "args": ["manage.py", "serve_mcp"],
      "env": {{"POSTIL_API_KEY": "${{POSTIL_API_KEY}}"}}
    }}
  }}
}}
"""

_ALL = (
    ("curl", "curl", "The whole of it is one request.", _CURL),
    ("openai", "OpenAI", "The reply’s messages are what the client takes.", _OPENAI),
    (
        "anthropic",
        "Anthropic",
        "The same messages, with the system text apart from the turns.",
        _ANTHROPIC,
    ),
    ("langchain", "LangChain", "Any chat model of LangChain takes the messages.", _LANGCHAIN),
    (
        "mcp",
        "MCP over HTTP",
        (
            "Tools, prompts and resources for an agent: fetch_context, answer_with_context, "
            "library://{library}."
        ),
        _MCP_HTTP,
    ),
    ("mcp-stdio", "MCP over stdio", "The same, where Postil itself is installed.", _MCP_STDIO),
)


def snippets(*, site: str, library: str) -> list[Snippet]:
    """Return every snippet for a library, given by its slug, of the Postil at `site`."""
    place = {"site": site.rstrip("/"), "library": library}
    return [
        Snippet(slug, title, note.format(**place), code.format(**place))
        for slug, title, note, code in _ALL
    ]
