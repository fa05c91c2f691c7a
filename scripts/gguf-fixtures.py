#!/usr/bin/env python3
"""Makes crates/trainyard-pretrained/tests/gguf: a small GGUF file an architecture, and what its weights are
in Hugging Face layout.

Needs PyPI's gguf, transformers and torch. Names in the files and blocks of numbers are those of the package
gguf; the order of rows is that of llama.cpp's convert_hf_to_gguf.py, whose lines are quoted below. The sixteen
digits beside a weight's name are the FNV-1a hash of its numbers, 32-bit floats one after the other.
"""

import json
import pathlib
import re
import sys

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Type

FOLDER = pathlib.Path(__file__).parent.parent / "crates/trainyard-pretrained/tests/gguf"
NUMBERS = np.random.default_rng(15)

SMALL = dict(hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, vocab_size=5, max_position_embeddings=16)
CONFIGS = {
    # Rows of 32 and 256 numbers are whole blocks.
    "llama": dict(SMALL, model_type="llama", hidden_size=32, intermediate_size=256, num_hidden_layers=3,
                  tie_word_embeddings=True),
    "qwen2": dict(SMALL, model_type="qwen2"),
    "qwen3": dict(SMALL, model_type="qwen3", head_dim=4),
    "gemma2": dict(SMALL, model_type="gemma2", head_dim=4),
    "gemma3": dict(SMALL, model_type="gemma3_text", head_dim=4),
    "phi3": dict(SMALL, model_type="phi3", pad_token_id=0),
    "gpt2": dict(model_type="gpt2", n_embd=8, n_layer=2, n_head=2, n_positions=16, vocab_size=5),
    "gptneox": dict(model_type="gpt_neox", hidden_size=8, intermediate_size=12, num_hidden_layers=2,
                    num_attention_heads=2, vocab_size=5, max_position_embeddings=16),
    "bert": dict(model_type="bert", hidden_size=8, intermediate_size=12, num_hidden_layers=2,
                 num_attention_heads=2, vocab_size=5, max_position_embeddings=16),
}
ARCH = {"llama": "LLAMA", "qwen2": "QWEN2", "qwen3": "QWEN3", "gemma2": "GEMMA2", "gemma3": "GEMMA3",
        "phi3": "PHI3", "gpt2": "GPT2", "gptneox": "GPTNEOX", "bert": "BERT"}
# How the matrices of the blocks of the llama are stored; those beyond these as 32-bit floats.
TYPES = {
    "0.self_attn.q_proj": Type.Q8_0, "0.self_attn.k_proj": Type.Q4_0, "0.self_attn.v_proj": Type.Q4_1,
    "0.self_attn.o_proj": Type.Q5_0, "0.mlp.gate_proj": Type.Q5_1, "0.mlp.down_proj": Type.Q4_K,
    "1.self_attn.q_proj": Type.Q4_1, "1.self_attn.k_proj": Type.F16, "1.mlp.gate_proj": Type.Q5_0,
    "1.mlp.down_proj": Type.Q5_K, "2.self_attn.q_proj": Type.BF16, "2.self_attn.k_proj": Type.Q8_0,
    "2.mlp.down_proj": Type.Q6_K, "1.mlp.up_proj": Type.Q4_0, "2.mlp.up_proj": Type.Q8_0,
    "0.mlp.up_proj": Type.Q4_0, "2.mlp.gate_proj": Type.Q4_0,
}


def permute(weights, n_head, n_head_kv):
    """LlamaModel.permute"""
    if n_head_kv is not None and n_head != n_head_kv:
        n_head = n_head_kv
    return (weights.reshape(n_head, 2, weights.shape[0] // n_head // 2, *weights.shape[1:])
            .swapaxes(1, 2)
            .reshape(weights.shape))


def converted(arch, config, name, data):
    """modify_tensors of each architecture, of data whose rows may be blocks."""
    heads = getattr(config, "num_attention_heads", None)
    if arch == "llama" and name.endswith(("q_proj.weight", "q_proj.bias")):
        return permute(data, heads, heads)
    if arch == "llama" and name.endswith(("k_proj.weight", "k_proj.bias")):
        return permute(data, heads, config.num_key_value_heads)
    if arch in ("gemma2", "gemma3") and name.endswith("norm.weight"):
        return data + np.float32(1)
    if arch == "gpt2" and name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
        return data.transpose(1, 0)
    if arch == "gptneox" and "query_key_value" in name:
        width = config.hidden_size
        parts = data.reshape((heads, 3, width // heads, *data.shape[1:]))
        return np.concatenate([parts[:, part].reshape((-1, *data.shape[1:])) for part in range(3)])
    return data


def stored(data, kind):
    """Blocks, and the numbers that they stand for."""
    if kind in (Type.Q4_K, Type.Q5_K, Type.Q6_K):
        # The package reads these and does not write them: any bytes with sound scales.
        count, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = NUMBERS.integers(0, 256, (data.size // count, size), dtype=np.uint8)
        scales = NUMBERS.uniform(-0.1, 0.1, (len(blocks), 2)).astype(np.float16).view(np.uint8)
        if kind == Type.Q6_K:
            blocks[:, -2:] = scales[:, :2]
        else:
            blocks[:, :4] = scales
        packed = blocks.reshape(data.shape[0], -1)
    else:
        packed = gguf.quants.quantize(data, kind)
    return packed, gguf.quants.dequantize(packed, kind).astype(np.float32)


def fnv(numbers):
    value = 0xCBF29CE484222325
    for byte in np.ascontiguousarray(numbers, dtype="<f4").tobytes():
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return f"{value:016x}"


def metadata(writer, arch, config):
    get = lambda *names: next((getattr(config, n) for n in names if getattr(config, n, None) is not None), None)
    heads = get("num_attention_heads", "n_head")
    writer.add_name(f"{arch} fixture")
    writer.add_context_length(get("max_position_embeddings", "n_positions"))
    writer.add_embedding_length(get("hidden_size", "n_embd"))
    writer.add_block_count(get("num_hidden_layers", "n_layer"))
    writer.add_feed_forward_length(get("intermediate_size") or 4 * config.n_embd)
    writer.add_head_count(heads)
    writer.add_head_count_kv(get("num_key_value_heads") or heads)
    width = get("hidden_size", "n_embd")
    if get("rms_norm_eps"):
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    else:
        writer.add_layer_norm_eps(get("layer_norm_eps", "layer_norm_epsilon"))
    if arch not in ("gpt2", "bert"):
        head = get("head_dim") or width // heads
        writer.add_key_length(head)
        writer.add_value_length(head)
        writer.add_rope_dimension_count(head // 4 if arch == "gptneox" else head)
        writer.add_rope_freq_base(10000.0)
    if arch == "gptneox":
        writer.add_parallel_residual(True)
    if arch in ("gemma2", "gemma3", "phi3") and get("sliding_window"):
        writer.add_sliding_window(config.sliding_window)
    if arch == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if arch == "bert":
        writer.add_causal_attention(False)
        writer.add_token_type_count(config.type_vocab_size)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("bert" if arch == "bert" else "gpt2")
    writer.add_token_list([f"t{token}" for token in range(config.vocab_size)])


def make(arch):
    settings = dict(CONFIGS[arch])
    config = transformers.AutoConfig.for_model(settings.pop("model_type"), **settings)
    auto = transformers.AutoModelForMaskedLM if arch == "bert" else transformers.AutoModelForCausalLM
    torch.manual_seed(15)
    model = auto.from_config(config)
    blocks = getattr(config, "num_hidden_layers", None) or config.n_layer
    names = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, ARCH[arch]), blocks)
    writer = gguf.GGUFWriter(FOLDER / f"{arch}.gguf", arch)
    metadata(writer, arch, config)
    expected, seen = {}, set()
    for name, weight in model.state_dict(keep_vars=True).items():
        # Heads for masked words, and what shares another's memory, are not in the files.
        if name.startswith("cls.") or id(weight) in seen or not weight.requires_grad:
            continue
        seen.add(id(weight))
        data = NUMBERS.normal(0, 0.5, tuple(weight.shape)).astype(np.float32)
        of_block = re.search(r"layers\.(\d+\..*)\.weight", name)
        kind = TYPES.get(of_block[1]) if arch == "llama" and of_block else None
        packed, numbers = (data, data) if kind is None else stored(data, kind)
        if arch in ("gemma2", "gemma3") and name.endswith("norm.weight"):
            numbers = converted(arch, config, name, data) - np.float32(1)
        there = names.get_name(name.removeprefix("bert.") if arch == "bert" else name, (".weight", ".bias"))
        if there is None:
            sys.exit(f"{arch}: {name} has no name")
        packed = np.ascontiguousarray(converted(arch, config, name, packed))
        writer.add_tensor(there, packed, raw_dtype=kind)
        expected[name] = fnv(numbers)
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()
    return expected


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    every = {f"{arch}.gguf": make(arch) for arch in CONFIGS}
    (FOLDER / "expected.json").write_text(json.dumps(every, indent=1) + "\n")
