#!/usr/bin/env python3
"""Makes the small tokenizers of crates/trainyard-pretrained/tests/tokenizers, and what Python says of them.

    python3 -m venv venv && venv/bin/pip install tokenizers transformers jinja2
    venv/bin/python scripts/tokenizer-fixtures.py

Each folder has a tokenizer as a model's folder has it, and expected.json: the tokens of texts (by the
Python package tokenizers, whose regular expressions are another engine's) and chats (by transformers).
"""

import json
import shutil
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

OUT = Path(__file__).parent.parent / "crates/trainyard-pretrained/tests/tokenizers"

# Article 1 of the Universal Declaration of Human Rights.
LEARNED = """All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.
Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geiste der Brüderlichkeit begegnen.
Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y conciencia, deben comportarse fraternalmente los unos con los otros.
Все люди рождаются свободными и равными в своем достоинстве и правах.
人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。
Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.
def add(a, b):\n    return a + b\n\n\nfor i in range(100):\n\tprint(i, "it's", 'we\\'ll')\n"""

TEXTS = [
    "",
    " ",
    "a",
    "Hello, world!",
    "All human beings are born free and equal in dignity and rights.",
    "  two spaces,   three,\ttabs\t\tand\r\nline ends\n\n\nthree  \n ",
    "it's we'll THEY'RE I'd o'clock'S",
    "1 22 333 4444 55555 3.14159 1,000,000 ١٢٣ ⅷ ²",
    "Würde, razón, ελεύθεροι, достоинстве",
    "人人生而自由，在尊严和权利上一律平等。",
    "कोई भी मनुष्य ทุกคน मानव 모든 인간은 すべての人間は",
    "كل الناس أحرار متساوين",
    "e\u0301 é ﬁ Å ½ \u200d \ufeff \u00a0x\u3000y",
    "👍🏽 👩‍👩‍👧‍👦 🇩🇪 𝔘𝔫𝔦",
    "def add(a, b):\n    return a + b\n\n\nfor i in range(100):\n\tprint(i)",
    "camelCase HTTPServer snake_case x=y+z; // !!! ??? ...",
    "<|im_start|>user\nhi<|im_end|>\n<s>hi</s> <|endoftext|>",
    "\u0000\u0001\u007f\u0080",
    "▁▁ under▁score",
    "a" * 300,
    "\n" * 20 + " " * 20 + "x",
]

CHATS = [
    [{"role": "user", "content": "hi"}],
    [{"role": "system", "content": "be kind"}, {"role": "user", "content": " hi \n"}, {"role": "assistant", "content": "yes"}],
    [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c<d>&'e'"}],
]

CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

LLAMA_2 = """{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim + '\\n\\n' %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = '' %}
{%- endif %}
{{- bos_token }}
{%- for message in messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- if loop.index0 == 0 %}
        {%- set content = system_message + message['content'] %}
    {%- else %}
        {%- set content = message.content.strip() %}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {{- '[INST] ' + content + ' [/INST]' }}
    {%- elif message['role'] == 'assistant' %}
        {{- ' ' + content | trim + ' ' + eos_token }}
    {%- endif %}
{%- endfor %}
{%- if tools is not none and tools is defined %} tools {% endif %}
{{ messages | tojson }} {{ {'b': [1, 2.5, true, none]} | tojson }}
"""

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
# As transformers' converters and tokenizer.json files have them.
PATTERNS = {
    "llama-bpe": CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "tekken": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def said(tokenizer, more=None):
    ids = lambda text, special: tokenizer.encode(text, add_special_tokens=special).ids
    texts = [
        {"text": text, "special": ids(text, True), "plain": ids(text, False), "decoded": tokenizer.decode(ids(text, False), skip_special_tokens=False)}
        for text in TEXTS
    ]
    return {"texts": texts, **(more or {})}


def chats(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    render = lambda chat, prompt: tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=prompt)
    return [{"messages": chat, "open": render(chat, True), "closed": render(chat, False)} for chat in CHATS]


def pairs_of_bytes():
    """GPT-2's way, in both of its forms, and with the words of other models."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=480, special_tokens=special, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator(LEARNED.splitlines(keepends=True), trainer)

    folder = OUT / "bytes"
    write(folder / "tokenizer.json", tokenizer.to_str(pretty=False))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|im_start|>", "eos_token": {"__type": "AddedToken", "content": "<|im_end|>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}, "chat_template": CHATML}
    write(folder / "tokenizer_config.json", config)
    write(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": [2, 0]})
    of_pre = {}
    model = json.loads(tokenizer.to_str())["model"]
    for name in ["default", "smollm", *PATTERNS]:
        other = Tokenizer.from_str(tokenizer.to_str())
        level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=name not in PATTERNS)
        if name == "smollm":
            other.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level])
        elif name in PATTERNS:
            other.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERNS[name]), "isolated"), level])
            other.model = models.BPE(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]], ignore_merges=name != "qwen2")
        if name == "qwen2":
            other.normalizer = normalizers.NFC()
        of_pre[name] = [other.encode(text, add_special_tokens=False).ids for text in TEXTS]
    write(folder / "expected.json", said(tokenizer, {"of_pre": of_pre, "chats": chats(folder)}))

    folder = OUT / "gpt2"
    write(folder / "vocab.json", model["vocab"])
    write(folder / "merges.txt", "#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair in model["merges"]))
    write(folder / "config.json", {"model_type": "gpt2", "bos_token_id": 0, "eos_token_id": 0})
    tokenizer = Tokenizer.from_str(tokenizer.to_str())
    # Of GPT-2's files only the end of a text is known to be special.
    raw = json.loads(tokenizer.to_str())
    raw["added_tokens"] = raw["added_tokens"][:1]
    write(folder / "expected.json", said(Tokenizer.from_str(json.dumps(raw))))


def pieces():
    """SentencePiece's way: pieces, bytes for what has none, a space before each text."""
    special = ["<unk>", "<s>", "</s>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trainer = trainers.BpeTrainer(vocab_size=260, special_tokens=special, limit_alphabet=60, show_progress=False)
    tokenizer.train_from_iterator([" " + line for line in LEARNED.splitlines()], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    # As SentencePiece orders them: special, bytes, merged ones by their scores, single letters.
    merged = ["".join(pair) for pair in model["merges"]]
    letters = [token for token in model["vocab"] if len(token) == 1]
    names = special + [f"<0x{byte:02X}>" for byte in range(256)] + merged + letters
    names = list(dict.fromkeys(names))
    scores = [0.0 if index < 259 else -float(index - 259) for index in range(len(names))]

    raw = json.loads(tokenizer.to_str())
    raw["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    raw["pre_tokenizer"] = None
    raw["decoder"] = {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    raw["model"]["vocab"] = {name: index for index, name in enumerate(names)}
    raw["added_tokens"] = [{"id": index, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True} for index, name in enumerate(special)]
    tokenizer = Tokenizer.from_str(json.dumps(raw))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    folder = OUT / "pieces"
    write(folder / "tokenizer.json", tokenizer.to_str(pretty=False))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
              "chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": LLAMA_2}]}
    write(folder / "tokenizer_config.json", config)
    write(folder / "scores.json", scores)
    write(folder / "expected.json", said(tokenizer, {"chats": chats(folder)}))


def words():
    """BERT's way."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=names, show_progress=False)
    tokenizer.train_from_iterator(LEARNED.splitlines(), trainer)
    number = tokenizer.token_to_id
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[(name, number(name)) for name in ["[CLS]", "[SEP]"]])
    folder = OUT / "words"
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    write(folder / "vocab.txt", "".join(name + "\n" for name, _ in vocabulary))
    write(folder / "tokenizer_config.json", {"do_lower_case": True, "cls_token": "[CLS]", "sep_token": "[SEP]"})
    write(folder / "expected.json", said(tokenizer))


shutil.rmtree(OUT, ignore_errors=True)
pairs_of_bytes()
pieces()
words()
