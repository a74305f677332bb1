"""What stands beside the rows of a release: a card, and what trainers are configured by.

Knows no database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from curation import pii
from curation.formats import Json
from curation.gates import LABELS, Gate

# Upper bounds of the sizes that the hub knows, with their names.
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_ORIGIN = (
    "The examples are decisions of reviewers in Postil: answers as people accepted, corrected or "
    "rejected them."
)
SPLITTING = {
    "training": (
        "All examples of a session are in one split, and with them the sessions that ask the same "
        "or nearly the same, and those of a theme where the gates of the set ask for it. A tenth "
        "of these groups is for validation, by the SHA-256 of the least id of a session; what was "
        "released before stays where it was."
    ),
    "evaluation": "All is for testing, and nothing is to be trained on.",
}
_REVOCATIONS = (
    "`metadata` leads back to session, output, review and feedback by their ids. What is not to be "
    "used any more stands in the release's list of revocations: ask it before you train"
)
_UNCHECKED = (
    "The gates of the set had not seen these examples when they were released: nothing is known of "
    "consent, agreement and personal data."
)
_LICENCE = "`license_name: internal` stands for what is recorded: this card grants nothing."
_PERSONAL = f"Looked for were {', '.join(pii.LABELS.values())}; nothing was blanked out."
_SHAREGPT = {"messages": "conversations", "system": "system", "tools": "tools"}
_ENTRIES: dict[str, Json] = {
    "sft": {"formatting": "sharegpt", "columns": _SHAREGPT},
    "dpo": {
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {**_SHAREGPT, "chosen": "chosen", "rejected": "rejected"},
    },
    "kto": {"formatting": "sharegpt", "columns": {**_SHAREGPT, "kto_tag": "kto_tag"}},
}
_AXOLOTL = {
    "sft": (
        "    type: chat_template\n    field_messages: messages\n"
        "    message_field_training: train\n    roles_to_train: []\n"
    ),
    "dpo": "    type: chat_template.default\n    field_messages: messages\n",
    "kto": (
        "    type:\n      field_prompt: prompt\n      field_completion: completion\n"
        '      field_label: label\n      prompt_format: "{prompt}"\n'
        '      completion_format: "{completion}"\n'
    ),
}


@dataclass(frozen=True, kw_only=True)
class About:
    """What a card tells of a release. `num_rows` is by split, `configs` splits by config.

    `gates` is as curation.gating tells it, or None where they had not seen the rows; a release from
    before that was kept has none. `revocations` is the path at which they are asked for.
    """

    name: str
    slug: str
    number: int
    description: str
    purpose: str
    released_on: str
    num_rows: Mapping[str, int]
    configs: Mapping[str, Sequence[str]]
    left_out: Mapping[str, Mapping[str, int]]
    has_gates: bool
    gates: Mapping[str, Any] | None
    revocations: str


def dataset_info(about: About, paths: Sequence[str]) -> bytes:
    """The dataset_info.json beside LLaMA-Factory's files."""
    told = {}
    for path in sorted(paths):
        kind, _, split = path.removeprefix("llamafactory/").removesuffix(".jsonl").partition("-")
        name = f"{about.slug.replace('-', '_')}_{kind}_{split}"
        told[name] = {"file_name": path.removeprefix("llamafactory/"), **_ENTRIES[kind]}
    return (json.dumps(told, ensure_ascii=False, indent=2) + "\n").encode()


def axolotl_config(paths: Sequence[str]) -> bytes:
    """What Axolotl's configuration says of its files; one of the lists is to be copied."""
    parts = []
    for path in sorted(paths):
        name = path.removeprefix("axolotl/")
        kind = name.partition("-")[0]
        parts.append(f"# {name}\ndatasets:\n  - path: {name}\n    ds_type: json\n{_AXOLOTL[kind]}")
    return "\n".join(parts).encode()


def card(about: About) -> bytes:
    """The README.md of a Hugging Face data set, with its splits by config."""
    total = sum(about.num_rows.values())
    size = next((name for most, name in _SIZES if total < most), "n>10M")
    lines = [
        "---",
        "license: other",
        "license_name: internal",
        f"pretty_name: {json.dumps(f'{about.name}, release {about.number}', ensure_ascii=False)}",
        f"size_categories: [{size}]",
        "task_categories: [text-generation]",
        "configs:",
    ]
    for place, (config, splits) in enumerate(about.configs.items()):
        lines += [f"- config_name: {config}"]
        if not place:
            lines += ["  default: true"]
        lines += ["  data_files:"]
        lines += [f"  - {{split: {split}, path: {config}/{split}-*.parquet}}" for split in splits]
    lines += [
        "---",
        "",
        f"# {about.name}, release {about.number}",
        "",
        *([about.description, ""] if about.description else []),
        f"Released on {about.released_on}. {_ORIGIN}",
        "",
        "| split | examples |",
        "|---|---|",
        *(f"| {split} | {number:,} |" for split, number in about.num_rows.items() if number),
        "",
        SPLITTING[about.purpose],
        "",
        f"{_REVOCATIONS}, by `GET {about.revocations}`." if about.has_gates else f"{_REVOCATIONS}.",
        "",
        *(_checked(about.gates) if about.has_gates else []),
    ]
    if any(about.left_out.values()):
        lines += ["Left out, as the format cannot hold it:", ""]
        lines += [
            f"- {name}: {number:,}, {rule}"
            for name, rules in about.left_out.items()
            for rule, number in rules.items()
        ]
        lines += [""]
    return "\n".join(lines).encode()


def _checked(told: Mapping[str, Any] | None) -> list[str]:
    """What is known of consent, agreement and personal data."""
    if told is None:
        return [_UNCHECKED, ""]
    failing, passed = told["failing"], told["let_pass"]
    personal = failing.get(Gate.PERSONAL, 0) + passed.get(Gate.PERSONAL, 0)
    alpha = told["agreement"]["alpha"]
    agreement = f"Krippendorff's alpha {'undefined' if alpha is None else f'{alpha:.2f}'}"
    reviewed = f"{told['agreement']['answers']:,} answers that two or more reviewed"
    lines = [
        f"When they were released, the gates of the set had checked {told['checked']:,} examples.",
        "",
        f"- Consent or licence: recorded of {told['consent_recorded']:,}. {_LICENCE}",
        f"- Agreement: {agreement}, over {reviewed}.",
        f"- Personal data: {personal:,} may hold some. {_PERSONAL}",
        "",
    ]
    if failing or passed:
        lines += ["| gate | examples that fail | examples let pass |", "|---|---|---|"]
        lines += [
            f"| {LABELS[gate]} | {failing.get(gate, 0):,} | {passed.get(gate, 0):,} |"
            for gate in Gate
            if gate in failing or gate in passed
        ]
        lines += [""]
    return lines
