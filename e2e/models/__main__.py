"""`python -m e2e.models make --out DIR`: write the folders `target`, `draft` and `small`.

`make-large` writes a target of billions of parameters and its draft, drawn on a GPU.

Needs torch, tokenizers and safetensors, which every vLLM image has; so it also runs there as a Job.
A folder that is already there and whole is left alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from pathlib import Path

import torch
from tokenizers import Tokenizer

from e2e.models import sizes, tokens, weights
from e2e.models.corpus import DOCUMENTS

TARGET_SEED, SMALL_SEED = 20, 21


def config(size: sizes.Size, tensors: weights.Weights) -> dict[str, object]:
    """Return `config.json` of a Llama of this size."""
    dtype = tensors["lm_head.weight"].dtype
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": tokens.VOCABULARY,
        **size.fields(),
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "bos_token_id": tokens.SPECIAL.index(tokens.BOS),
        "eos_token_id": tokens.SPECIAL.index(tokens.EOS),
        "torch_dtype": str(dtype).removeprefix("torch."),
    }


def sampling() -> dict[str, object]:
    """Return `generation_config.json`: greedy, unless a request says otherwise.

    On a CPU without triton-cpu, vLLM 0.32 reads uninitialised memory as the temperature of a
    speculating request that samples; greedy requests are right (decision record 0020).
    """
    return {
        "bos_token_id": tokens.SPECIAL.index(tokens.BOS),
        "eos_token_id": [tokens.SPECIAL.index(name) for name in (tokens.EOS, tokens.END)],
        "do_sample": False,
        "temperature": 0.0,
    }


def write(folder: Path, size: sizes.Size, tensors: weights.Weights, tokenizer: Tokenizer) -> None:
    """Write one model; the last file to appear is the one that says that all are there."""
    from safetensors.torch import save_file  # noqa: PLC0415  slow to import, not needed for --help

    folder.mkdir(parents=True, exist_ok=True)
    tokens.save(tokenizer, folder, max_length=size.max_position_embeddings)
    (folder / "generation_config.json").write_text(json.dumps(sampling(), indent=2))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    partial = folder / "config.json.partial"
    partial.write_text(json.dumps(config(size, tensors), indent=2))
    os.replace(partial, folder / "config.json")


def corpus_statistics(tokenizer: Tokenizer) -> torch.Tensor:
    """Return how the corpus goes on after each token, as `weights.bigrams` says it."""
    eos = tokens.SPECIAL.index(tokens.EOS)
    sequences = [[*tokenizer.encode(text).ids, eos] for text in DOCUMENTS]
    return weights.bigrams(sequences, vocabulary=tokens.VOCABULARY)


def make(out: Path) -> None:
    """Make the three models, unless they are there."""
    if all((out / name / "config.json").exists() for name in ("target", "draft", "small")):
        print(f"models are already in {out}")
        return
    tokenizer = tokens.train()
    statistics = corpus_statistics(tokenizer)
    large = weights.target(sizes.TARGET, statistics, seed=TARGET_SEED)
    first = dataclasses.replace(sizes.TARGET, num_hidden_layers=sizes.DRAFT_LAYERS)
    write(out / "target", sizes.TARGET, large, tokenizer)
    write(out / "draft", first, weights.draft(large, layers=sizes.DRAFT_LAYERS), tokenizer)
    little = weights.target(sizes.SMALL, statistics, seed=SMALL_SEED)
    write(out / "small", sizes.SMALL, little, tokenizer)
    print(f"models are in {out}")


def make_large(out: Path, *, layers: int) -> None:
    """Make a target that gives a GPU work, and its draft, unless they are there."""
    if all((out / name / "config.json").exists() for name in ("target", "draft")):
        print(f"models are already in {out}")
        return
    tokenizer = tokens.train()
    size = dataclasses.replace(sizes.GPU_TARGET, num_hidden_layers=layers)
    large = weights.target(
        size,
        corpus_statistics(tokenizer),
        seed=TARGET_SEED,
        device="cuda",
        dtype=torch.bfloat16,
    )
    few = dataclasses.replace(size, num_hidden_layers=sizes.GPU_DRAFT_LAYERS)
    write(out / "draft", few, weights.draft(large, layers=few.num_hidden_layers), tokenizer)
    write(out / "target", size, large, tokenizer)
    print(f"{sum(tensor.numel() for tensor in large.values()) / 1e9:.1f}e9 parameters are in {out}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m e2e.models", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("make", help="write the models")
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(run=lambda arguments: make(arguments.out))
    command = commands.add_parser("make-large", help="write a target for a GPU and its draft")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--layers", type=int, default=sizes.GPU_TARGET.num_hidden_layers)
    command.set_defaults(run=lambda arguments: make_large(arguments.out, layers=arguments.layers))
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
