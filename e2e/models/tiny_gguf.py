"""A small random model in llama.cpp's format: it answers nonsense, byte by byte.

    python e2e/models/tiny_gguf.py FILE

Run by the Python of `e2e.cluster.llama.tools`, which has `gguf` and numpy. Equal bytes each time.
"""

from __future__ import annotations

import sys

import gguf
import numpy as np

BLOCKS, WIDTH, HIDDEN, HEADS, WINDOW = 2, 64, 128, 4, 4096
BYTES = [f"<0x{value:02X}>".encode() for value in range(256)]
TOKENS = [b"<unk>", b"<s>", b"</s>", *BYTES]
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"


def main() -> None:
    """Write the file."""
    random = np.random.default_rng(7)
    writer = gguf.GGUFWriter(sys.argv[1], "llama")
    writer.add_context_length(WINDOW)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([0.0] * len(TOKENS))
    writer.add_token_types([UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)

    def put(name: str, *shape: int) -> None:
        values = np.ones(shape) if len(shape) == 1 else random.normal(0, 0.2, shape)
        writer.add_tensor(name, values.astype(np.float32))

    put("token_embd.weight", len(TOKENS), WIDTH)
    put("output_norm.weight", WIDTH)
    put("output.weight", len(TOKENS), WIDTH)
    for block in range(BLOCKS):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            put(f"blk.{block}.{part}.weight", WIDTH, WIDTH)
        put(f"blk.{block}.ffn_gate.weight", HIDDEN, WIDTH)
        put(f"blk.{block}.ffn_up.weight", HIDDEN, WIDTH)
        put(f"blk.{block}.ffn_down.weight", WIDTH, HIDDEN)
        put(f"blk.{block}.attn_norm.weight", WIDTH)
        put(f"blk.{block}.ffn_norm.weight", WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
