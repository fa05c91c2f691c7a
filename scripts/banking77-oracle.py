#!/usr/bin/env python3
"""Trains a classifier with PyTorch as a run of ours did: the same model, batches, initial head, dropout rate, schedule,
clipping and AdamW. Prints the loss of each step beside ours, and the accuracy on a table of texts.

    python3 -m venv VENV && VENV/bin/pip install torch transformers safetensors
    trainyard train RUN.toml --set run.dir=start --set train.steps=1 --set train.learning_rate=1e-30
    trainyard train RUN.toml --set run.dir=run --dump-batches batches.jsonl
    VENV/bin/python scripts/banking77-oracle.py MODEL start run batches.jsonl [test.csv] [--steps N]

`start` is for the head that both begin with: a step of no size leaves it as it was drawn.
"""

import argparse
import csv
import json
import math
import pathlib
import time
import tomllib

import safetensors.torch
import torch
import transformers

parser = argparse.ArgumentParser()
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("start", type=pathlib.Path)
parser.add_argument("run", type=pathlib.Path)
parser.add_argument("batches", type=pathlib.Path)
parser.add_argument("test", type=pathlib.Path, nargs="?")
parser.add_argument("--steps", type=int)
parser.add_argument("--threads", type=int, default=2)
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads)
torch.manual_seed(1)

run = tomllib.loads((arguments.run / "run.toml").read_text())
train, optimizer = run["train"], run.get("optimizer", {})
dropout = run["model"].get("dropout", 0.1)
assert run["model"]["pooling"] == "mean"

checkpoint = arguments.start / (arguments.start / "latest").read_text().strip()
layers = json.loads((checkpoint / "manifest.json").read_text())["layers"]
head = next(layer["file"] for layer in layers if layer["name"] == "head")
head = safetensors.torch.load_file(checkpoint / head)
head = {name.rsplit(".", 1)[1]: value for name, value in head.items() if name.startswith("weight/classes.")}

config = transformers.AutoConfig.from_pretrained(arguments.model)
config.hidden_dropout_prob, config.attention_probs_dropout_prob = dropout, 0.0
encoder = transformers.BertModel.from_pretrained(arguments.model, config=config, add_pooling_layer=False)
classes, width = head["weight"].shape
classifier = torch.nn.Linear(width, classes)
classifier.load_state_dict(head)
drop = torch.nn.Dropout(dropout)
modules = torch.nn.ModuleList([encoder, classifier, drop])
weights = list(modules.parameters())
decay = optimizer.get("weight_decay", 0.1)
adamw = torch.optim.AdamW(
    [
        {"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": decay},
        {"params": [weight for weight in weights if weight.dim() < 2], "weight_decay": 0.0},
    ],
    betas=(optimizer.get("beta1", 0.9), optimizer.get("beta2", 0.99)),
    eps=optimizer.get("epsilon", 1e-8),
)


def rate(step):
    """As ours goes: up in a line, down in half a cosine."""
    highest, warmup, steps = train["learning_rate"], train["warmup"], train.get("decay_steps", train["steps"])
    lowest = train.get("min_learning_rate", highest / 10)
    if step <= warmup:
        return highest * step / (warmup + 1)
    if train.get("schedule", "cosine") == "constant":
        return highest
    done = min(1.0, (step - 1 - warmup) / (steps - warmup))
    return lowest + (highest - lowest) * 0.5 * (1 + math.cos(math.pi * done))


def logits(tokens, mask):
    longest = int(mask.sum(1).max())
    tokens, mask = tokens[:, :longest], mask[:, :longest]
    hidden = encoder(input_ids=tokens, attention_mask=mask).last_hidden_state
    share = mask[:, :, None] / mask.sum(1)[:, None, None]
    return classifier(drop((hidden * share).sum(1)))


def accuracy(path):
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
    rows = list(csv.DictReader(path.open(newline="")))
    names = sorted({row["category"] for row in rows})
    assert len(names) == classes
    modules.eval()
    right = 0
    with torch.no_grad():
        for at in range(0, len(rows), 64):
            some = rows[at : at + 64]
            context = run["model"]["context"]
            of = tokenizer([row["text"] for row in some], padding=True, truncation=True, max_length=context,
                           return_tensors="pt")
            found = logits(of["input_ids"], of["attention_mask"]).argmax(1).tolist()
            right += sum(names[number] == row["category"] for number, row in zip(found, some))
    modules.train()
    return right / len(rows)


ours = {}
for line in (arguments.run / "journal.jsonl").read_text().splitlines():
    record = json.loads(line)
    if record.get("type") == "step":
        ours[record["step"]] = record["loss"]

modules.train()
began, worst = time.time(), 0.0
with arguments.batches.open() as batches:
    for line in batches:
        batch = json.loads(line)
        step = batch["step"]
        if arguments.steps and step > arguments.steps:
            break
        tokens, mask = torch.tensor(batch["tokens"]), (torch.tensor(batch["segments"]) > 0).long()
        targets = torch.tensor(batch["targets"]).reshape(-1)
        for group in adamw.param_groups:
            group["lr"] = rate(step)
        adamw.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits(tokens, mask), targets)
        loss.backward()
        if train.get("clip", 1.0) > 0:
            torch.nn.utils.clip_grad_norm_(weights, train.get("clip", 1.0))
        adamw.step()
        if step in ours:
            worst = max(worst, abs(ours[step] - loss.item()))
        if step <= 20 or step % 50 == 0:
            print(f"step {step}: loss {loss.item():.6f}, ours {ours.get(step, float('nan')):.6f}", flush=True)
print(f"largest difference {worst:.2e}; {time.time() - began:.0f} s")
if arguments.test:
    print(f"accuracy {accuracy(arguments.test):.4f}")
