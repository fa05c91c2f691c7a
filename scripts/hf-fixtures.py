#!/usr/bin/env python3
"""Makes the checkpoints that crates/trainyard-models/tests/hf.rs compares with: for each architecture a small
random one in Hugging Face layout, with sizes that divide nothing, and what `transformers` computes with it.

    python3 -m venv VENV && VENV/bin/pip install torch transformers safetensors
    VENV/bin/python scripts/hf-fixtures.py [NAME…]

A folder NAME has config.json, model.safetensors and expected.safetensors: `tokens` and `targets`
[rows, context], the `logits` [rows, context, vocabulary] and the mean `loss` over all targets, every gradient of it as
`gradient.WEIGHT`, and `greedy`, a prompt and the 64 tokens that follow it. The first has a tokenizer too, whose tokens are
letters.

Encoders have `segments` beside, which is 0 for what a row is filled up with, and `token_types` where they are made for
pairs; and no `greedy`. The first that tells classes has two files more: mean.safetensors, of its classes from the mean of
a text, and pairs.safetensors, of how alike the two texts of a row are, each of which was computed by itself.
"""

import json
import pathlib
import sys

import safetensors
import tokenizers
import torch
import transformers
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).parent.parent / "crates/trainyard-models/tests/fixtures/hf"
ROWS, CONTEXT, PROMPT, WRITTEN, VOCABULARY = 4, 12, 6, 64, 37
CLASSES = 5
# The least distance between the likeliest token and the next, so that rounding decides nothing.
MARGIN = 2e-3

COMMON = dict(
    vocab_size=VOCABULARY,
    hidden_size=21,
    intermediate_size=28,
    num_hidden_layers=2,
    num_attention_heads=3,
    max_position_embeddings=96,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=None,
)
# Three heads of queries share one of keys; a head is wider than width ÷ heads.
GROUPED = dict(COMMON, num_key_value_heads=1, head_dim=10)
LLAMA3 = dict(
    rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=24,
)

MODELS = {
    "llama": (transformers.LlamaConfig, dict(GROUPED, rms_norm_eps=1e-5, tie_word_embeddings=False)),
    "llama3": (
        transformers.LlamaConfig,
        dict(COMMON, hidden_size=24, num_attention_heads=6, num_key_value_heads=2, head_dim=4,
             rope_parameters=LLAMA3, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    ),
    "mistral": (transformers.MistralConfig, dict(GROUPED, sliding_window=5, tie_word_embeddings=False)),
    "qwen2": (
        transformers.Qwen2Config,
        dict(COMMON, hidden_size=24, num_key_value_heads=1, use_sliding_window=False, tie_word_embeddings=True),
    ),
    # Space, which texts have, is what fills rows up.
    "qwen3": (transformers.Qwen3Config, dict(GROUPED, pad_token_id=3, tie_word_embeddings=True)),
    "gemma2": (
        transformers.Gemma2Config,
        dict(GROUPED, sliding_window=5, query_pre_attn_scalar=7, attn_logit_softcapping=2.0,
             final_logit_softcapping=3.0),
    ),
    "gemma3": (
        transformers.Gemma3TextConfig,
        dict(GROUPED, num_hidden_layers=3, sliding_window=5, query_pre_attn_scalar=7,
             layer_types=["sliding_attention", "full_attention", "sliding_attention"],
             rope_parameters={
                 "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
                 "full_attention": {"rope_type": "linear", "rope_theta": 1000.0, "factor": 4.0},
             }),
    ),
    "phi3": (
        transformers.Phi3Config,
        dict(COMMON, hidden_size=24, num_key_value_heads=1, sliding_window=7, tie_word_embeddings=False),
    ),
    "gpt2": (
        transformers.GPT2Config,
        dict(vocab_size=VOCABULARY, n_embd=21, n_layer=2, n_head=3, n_positions=96, n_inner=30,
             resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=1, eos_token_id=2),
    ),
    "gpt_neox": (
        transformers.GPTNeoXConfig,
        dict(COMMON, hidden_size=36, rotary_pct=0.34, tie_word_embeddings=False),
    ),
}


ENCODER = dict(
    vocab_size=VOCABULARY,
    hidden_size=21,
    intermediate_size=28,
    num_hidden_layers=2,
    num_attention_heads=3,
    max_position_embeddings=17,
)
DISTILBERT = dict(vocab_size=VOCABULARY, dim=21, hidden_dim=28, n_layers=2, n_heads=3, max_position_embeddings=17)
ROBERTA = dict(ENCODER, pad_token_id=1, type_vocab_size=1)

ENCODERS = {
    "bert": (transformers.BertForMaskedLM, transformers.BertConfig, ENCODER),
    "bert_classes": (
        transformers.BertForSequenceClassification, transformers.BertConfig, dict(ENCODER, num_labels=CLASSES),
    ),
    "roberta": (transformers.RobertaForMaskedLM, transformers.RobertaConfig, ROBERTA),
    "roberta_classes": (
        transformers.RobertaForSequenceClassification, transformers.RobertaConfig, dict(ROBERTA, num_labels=CLASSES),
    ),
    "distilbert": (transformers.DistilBertForMaskedLM, transformers.DistilBertConfig, DISTILBERT),
    "distilbert_classes": (
        transformers.DistilBertForSequenceClassification, transformers.DistilBertConfig,
        dict(DISTILBERT, num_labels=CLASSES),
    ),
}


def fill(model, seed):
    """Weights that make every part count."""
    torch.manual_seed(seed)
    is_gemma = "gemma" in model.config.model_type
    for name, weight in model.named_parameters():
        noise = torch.randn_like(weight)
        with torch.no_grad():
            if "norm" in name.lower() or "ln_" in name:
                is_gain = name.endswith("weight") and not is_gemma
                weight.copy_(0.2 * noise + (1.0 if is_gain else 0.0))
            elif weight.dim() == 1:
                weight.copy_(0.2 * noise)
            elif any(word in name for word in ("embed", "wte", "wpe", "lm_head")):
                weight.copy_(0.3 * noise)
            else:
                weight.copy_(1.3 * noise / weight.shape[1] ** 0.5)


def greedy(model, prompt):
    """The tokens, and the least distance between the likeliest and the next."""
    tokens, margin = prompt.clone(), float("inf")
    with torch.no_grad():
        for _ in range(WRITTEN):
            best = model(tokens[None], use_cache=False).logits[0, -1].topk(2)
            margin = min(margin, (best.values[0] - best.values[1]).item())
            tokens = torch.cat([tokens, best.indices[:1]])
    return tokens, margin


def letters():
    """A tokenizer with a token a letter."""
    tokens = ["<unk>", "<s>", "</s>", *" abcdefghijklmnopqrstuvwxyz.,!?'-\n"]
    assert len(tokens) == VOCABULARY
    numbers = {token: number for number, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="<unk>"))
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    each = tokenizers.Regex("[\\s\\S]")
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split(each, "isolated")
    tokenizer.decoder = tokenizers.decoders.Fuse()
    tokenizer.add_special_tokens(tokens[:3])
    return tokenizer


def make(name):
    kind, options = MODELS[name]
    config = kind(**options)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    model = model.to(torch.float32).eval()
    for seed in range(1, 200):
        fill(model, seed)
        prompt = torch.randint(VOCABULARY, (PROMPT,))
        written, margin = greedy(model, prompt)
        if margin >= MARGIN and len(set(written.tolist()[PROMPT:])) > 3:
            break
    else:
        sys.exit(f"{name}: no seed gives a text without ties")
    tokens = torch.randint(VOCABULARY, (ROWS, CONTEXT))
    targets = torch.randint(VOCABULARY, (ROWS, CONTEXT))
    model.zero_grad()
    logits = model(tokens, use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), targets.reshape(-1))
    loss.backward()
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "generation_config.json").unlink(missing_ok=True)
    expected = {
        "tokens": tokens.int(),
        "targets": targets.int(),
        "logits": logits.detach(),
        "loss": loss.detach()[None],
        "greedy": written.int(),
    }
    with safetensors.safe_open(folder / "model.safetensors", "pt") as file:
        stored = set(file.keys())
    for weight, value in model.named_parameters():
        # GPT-NeoX's head is called otherwise in memory.
        weight = weight if weight in stored else weight.replace("lm_head", "embed_out")
        assert weight in stored, weight
        expected[f"gradient.{weight}"] = value.grad
    save_file({key: value.contiguous() for key, value in expected.items()}, folder / "expected.safetensors")
    if name == "llama":
        letters().save(str(folder / "tokenizer.json"))
    tidy(folder)
    print(f"{name}: seed {seed}, loss {loss.item():.4f}, margin {margin:.4f}")


def tidy(folder):
    """What the config says of its maker goes, and what is too large is refused."""
    said = json.loads((folder / "config.json").read_text())
    said.pop("transformers_version", None)
    (folder / "config.json").write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 300_000


def save(path, model, loss, **tensors):
    """Some tensors, the loss, and every gradient of it."""
    model.zero_grad()
    loss.backward()
    gradients = {f"gradient.{name}": it.grad for name, it in model.named_parameters() if it.grad is not None}
    tensors = {name: it.int() if it.dtype == torch.int64 else it.detach() for name, it in tensors.items()}
    all_of_it = dict(tensors, loss=loss.detach()[None], **gradients)
    save_file({name: it.contiguous() for name, it in all_of_it.items()}, path)


def make_encoder(name):
    kind, config, options = ENCODERS[name]
    model = kind._from_config(config(**options), attn_implementation="eager").to(torch.float32).eval()
    fill(model, 1)
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    # Lengths of the first text and of both; what fills a row is RoBERTa's token for that.
    lengths = torch.tensor([[5, 9], [3, 12], [7, 8], [2, 6]])
    places = torch.arange(CONTEXT)[None]
    segments = (places < lengths[:, 1:]).long()
    second = (places >= lengths[:, :1]).long() * segments
    tokens = torch.where(segments > 0, torch.randint(2, VOCABULARY, (ROWS, CONTEXT)), 1)
    inputs = dict(input_ids=tokens, attention_mask=segments)
    types = {}
    if name.startswith("bert"):
        types = dict(token_types=second)
        inputs["token_type_ids"] = second
    logits = model(**inputs).logits
    if "classes" in name:
        targets = torch.randint(CLASSES, (ROWS,))
    else:
        chosen = (torch.rand(ROWS, CONTEXT) < 0.4) & (segments > 0)
        targets = torch.where(chosen, torch.randint(VOCABULARY, (ROWS, CONTEXT)), -100)
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))
    both = dict(tokens=tokens, segments=segments, **types)
    save(folder / "expected.safetensors", model, loss, targets=targets, logits=logits, **both)
    if name == "bert_classes":
        hidden = model.bert(**inputs).last_hidden_state
        mask = segments[:, :, None].float()
        logits = model.classifier((hidden * mask).sum(1) / mask.sum(1))
        loss = torch.nn.functional.cross_entropy(logits, targets)
        save(folder / "mean.safetensors", model, loss, targets=targets, logits=logits, **both)
        vectors = [[], []]
        for row in range(ROWS):
            first, end = lengths[row].tolist()
            for text, (start, end) in enumerate([(0, first), (first, end)]):
                alone = model.bert(input_ids=tokens[row : row + 1, start:end]).last_hidden_state
                vectors[text].append(alone.mean(1))
        similarity = torch.nn.functional.cosine_similarity(*map(torch.cat, vectors))
        targets = torch.rand(ROWS)
        loss = torch.nn.functional.mse_loss(similarity, targets)
        apart = dict(tokens=tokens, segments=segments + second)
        save(folder / "pairs.safetensors", model, loss, targets=targets, similarity=similarity, **apart)
    model.save_pretrained(folder, safe_serialization=True)
    tidy(folder)
    print(f"{name}: loss {loss.item():.4f}")


torch.set_num_threads(1)
for name in sys.argv[1:] or [*MODELS, *ENCODERS]:
    make(name) if name in MODELS else make_encoder(name)
