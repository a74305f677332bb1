"""PURE. How trackers are spoken to: what to send them, and what their answers say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from curation.adapters import github, gitlab, jira
from curation.adapters.speaking import Adapter, AdapterError, Made, Place, Seen

ADAPTERS: Mapping[str, Adapter] = MappingProxyType(
    {"github": github.GitHub(), "gitlab": gitlab.GitLab(), "jira": jira.Jira()}
)

__all__ = ["ADAPTERS", "Adapter", "AdapterError", "Made", "Place", "Seen"]
