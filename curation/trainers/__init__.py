"""What each trainer asks of a row, from its documentation and its readers. Knows no database."""

from __future__ import annotations

from collections.abc import Callable

from curation.trainers import axolotl, llamafactory, openai, own, trl
from curation.trainers.sheet import Data, Sheet

RULES: dict[str, Callable[[Data, Sheet], None]] = {
    "openai-sft": openai.openai_sft,
    "openai-dpo": openai.openai_dpo,
    "trl-sft": trl.trl_sft,
    "trl-preference": trl.trl_preference,
    "trl-kto": trl.trl_kto,
    "prompt-completion": trl.prompt_completion,
    "llamafactory-sft": llamafactory.SFT.check,
    "llamafactory-dpo": llamafactory.DPO.check,
    "llamafactory-kto": llamafactory.KTO.check,
    "axolotl-sft": axolotl.axolotl_sft,
    "axolotl-dpo": axolotl.axolotl_dpo,
    "axolotl-kto": axolotl.axolotl_kto,
    "evaluation": own.evaluation,
    "examples": own.examples,
    "alpaca": llamafactory.alpaca,
    "text": trl.text,
    "stepwise": trl.stepwise,
    "segments": axolotl.segments,
    "tokenized": axolotl.tokenized,
    "trl-prompt": trl.trl_prompt,
    "llamafactory-weighted": llamafactory.llamafactory_weighted,
    "agent-evaluation": openai.agent_evaluation,
}
