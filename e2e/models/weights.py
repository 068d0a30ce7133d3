"""Weights that follow from a seed.

A Llama's logits are `head @ norm(embedding[token] + sum of what each layer adds)`. Were the layers
silent, orthonormal embeddings (possible while the vocabulary is not larger than the hidden size)
would let `head = log_probability @ embedding` give exactly the corpus' probability of each token
after the last one. The layers are random and add a disturbance of a chosen strength, so that the
answer depends on everything read so far. The draft is the target with only its first layers: it
shares the word statistics and some of the disturbance, and so agrees with the target often but not
always, as a real draft does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import torch

from e2e.models.sizes import Size

Weights = dict[str, torch.Tensor]

# How strongly all layers together disturb the word statistics: 0 makes draft and target the same
# model, above about 1 the answers are noise. Measured at 0.6: see the decision record 0020.
DISTURBANCE: Final = 0.6
# Added to each count before taking logarithms; smaller keeps closer to the corpus.
SMOOTHING: Final = 0.02


def bigrams(sequences: Iterable[list[int]], *, vocabulary: int) -> torch.Tensor:
    """Return log-probabilities, one row for each last token, one column for each next one."""
    counts = torch.full((vocabulary, vocabulary), SMOOTHING)
    for tokens in sequences:
        for last, following in zip(tokens, tokens[1:], strict=False):
            counts[last, following] += 1
    return torch.log(counts / counts.sum(dim=1, keepdim=True))


def target(
    size: Size,
    log_probability: torch.Tensor,
    *,
    seed: int,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Weights:
    """Return the weights of a whole model, in main memory.

    Args:
        size: the shape; its hidden size must not be below the vocabulary.
        log_probability: as `bigrams` makes it.
        seed: equal seeds give equal weights on devices of one kind.
        device: where the numbers are drawn; billions take a CPU minutes and a GPU seconds.
        dtype: of the result; it is computed in float32.
    """
    vocabulary = log_probability.shape[0]
    if size.hidden_size < vocabulary:
        msg = f"hidden size {size.hidden_size} is below the vocabulary {vocabulary}"
        raise ValueError(msg)
    draw = torch.Generator(device).manual_seed(seed)
    random = torch.randn(size.hidden_size, vocabulary, generator=draw, device=device)
    basis = torch.linalg.qr(random)[0].cpu()
    # Rows of length sqrt(hidden): the final norm then leaves an undisturbed embedding as it is.
    embedding = basis.T.contiguous() * math.sqrt(size.hidden_size)
    weights = {
        "model.embed_tokens.weight": embedding,
        "model.norm.weight": torch.ones(size.hidden_size),
        "lm_head.weight": (log_probability.T @ embedding / size.hidden_size).contiguous(),
    }
    weights = {name: tensor.to(dtype) for name, tensor in weights.items()}
    for number in range(size.num_hidden_layers):
        layer = _layer(size, number, draw)
        weights |= {name: tensor.to("cpu", dtype) for name, tensor in layer.items()}
    return weights


def draft(of: Weights, *, layers: int) -> Weights:
    """Return the target's first `layers` layers with its own embeddings and head."""
    kept = tuple(f"model.layers.{number}." for number in range(layers))
    return {
        name: tensor.clone()
        for name, tensor in of.items()
        if not name.startswith("model.layers.") or name.startswith(kept)
    }


def _layer(size: Size, number: int, draw: torch.Generator) -> Weights:
    """Return one layer, whose two branches each add a random vector of a chosen length."""
    prefix = f"model.layers.{number}."
    key_value = size.num_key_value_heads * size.head_dim
    # The branches are independent, so lengths add up as squares: with B branches of strength
    # s / sqrt(B) the sum has strength s.
    strength = DISTURBANCE / math.sqrt(2 * size.num_hidden_layers)

    def matrix(out: int, into: int, *, gain: float = 1.0) -> torch.Tensor:
        random = torch.randn(out, into, generator=draw, device=draw.device)
        return random * (gain / math.sqrt(into))

    return {
        prefix + "input_layernorm.weight": torch.ones(size.hidden_size),
        prefix + "post_attention_layernorm.weight": torch.ones(size.hidden_size),
        prefix + "self_attn.q_proj.weight": matrix(size.hidden_size, size.hidden_size),
        prefix + "self_attn.k_proj.weight": matrix(key_value, size.hidden_size),
        prefix + "self_attn.v_proj.weight": matrix(key_value, size.hidden_size),
        prefix + "self_attn.o_proj.weight": matrix(
            size.hidden_size, size.hidden_size, gain=strength
        ),
        prefix + "mlp.gate_proj.weight": matrix(size.intermediate_size, size.hidden_size),
        prefix + "mlp.up_proj.weight": matrix(size.intermediate_size, size.hidden_size),
        # silu(gate) * up has variance 0.36 for standard normal inputs.
        prefix + "mlp.down_proj.weight": matrix(
            size.hidden_size, size.intermediate_size, gain=strength / 0.6
        ),
    }
