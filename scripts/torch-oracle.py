#!/usr/bin/env python3
"""Trains a pretrained model with PyTorch as a run of ours did: the same batches, schedule, clipping and AdamW. Prints the
loss of each step beside ours, and of a classifier its accuracy on a table of texts.

    python3 -m venv VENV && VENV/bin/pip install torch transformers safetensors gguf
    trainyard train RUN.toml --set run.dir=run --dump-batches batches.jsonl
    VENV/bin/python scripts/torch-oracle.py MODEL run batches.jsonl

A classifier's head and dropout come besides. Both begin with the same head, which a step of no size leaves as it was drawn:

    trainyard train RUN.toml --set run.dir=start --set train.steps=1 --set train.learning_rate=1e-30
    VENV/bin/python scripts/torch-oracle.py MODEL run batches.jsonl --start start --test test.csv
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

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("run", type=pathlib.Path)
parser.add_argument("batches", type=pathlib.Path)
parser.add_argument("--start", type=pathlib.Path)
parser.add_argument("--test", type=pathlib.Path)
parser.add_argument("--steps", type=int)
parser.add_argument("--threads", type=int, default=2)
arguments = parser.parse_args()
torch.set_num_threads(arguments.threads)
torch.manual_seed(1)

run = tomllib.loads((arguments.run / "run.toml").read_text())
train, optimizer = run["train"], run.get("optimizer", {})


class Decoder(torch.nn.Module):
    """Learns each next token."""

    def __init__(self):
        super().__init__()
        path, more = arguments.model, {}
        if path.suffix == ".gguf":
            path, more = path.parent, {"gguf_file": path.name}
        self.model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, **more)

    def loss(self, batch):
        logits = self.model(input_ids=torch.tensor(batch["tokens"])).logits
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.tensor(batch["targets"]).flatten())


class Classifier(torch.nn.Module):
    """Tells classes from the mean of the tokens' vectors."""

    def __init__(self):
        super().__init__()
        assert run["model"]["pooling"] == "mean"
        checkpoint = arguments.start / (arguments.start / "latest").read_text().strip()
        layers = json.loads((checkpoint / "manifest.json").read_text())["layers"]
        head = next(layer["file"] for layer in layers if layer["name"] == "head")
        head = safetensors.torch.load_file(checkpoint / head)
        head = {name.rsplit(".", 1)[1]: value for name, value in head.items() if name.startswith("weight/classes.")}
        dropout = run["model"].get("dropout", 0.1)
        config = transformers.AutoConfig.from_pretrained(arguments.model)
        config.hidden_dropout_prob, config.attention_probs_dropout_prob = dropout, 0.0
        self.encoder = transformers.BertModel.from_pretrained(arguments.model, config=config, add_pooling_layer=False)
        classes, width = head["weight"].shape
        self.head = torch.nn.Linear(width, classes)
        self.head.load_state_dict(head)
        self.dropout = torch.nn.Dropout(dropout)

    def logits(self, tokens, mask):
        longest = int(mask.sum(1).max())
        tokens, mask = tokens[:, :longest], mask[:, :longest]
        hidden = self.encoder(input_ids=tokens, attention_mask=mask).last_hidden_state
        share = mask[:, :, None] / mask.sum(1)[:, None, None]
        return self.head(self.dropout((hidden * share).sum(1)))

    def loss(self, batch):
        tokens, mask = torch.tensor(batch["tokens"]), (torch.tensor(batch["segments"]) > 0).long()
        return torch.nn.functional.cross_entropy(self.logits(tokens, mask), torch.tensor(batch["targets"]).flatten())

    def accuracy(self, path):
        tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
        rows = list(csv.DictReader(path.open(newline="")))
        label = run["data"]["label"]
        names, right = sorted({row[label] for row in rows}), 0
        assert len(names) == self.head.out_features
        self.eval()
        with torch.no_grad():
            for at in range(0, len(rows), 64):
                some = rows[at : at + 64]
                of = tokenizer([row["text"] for row in some], padding=True, truncation=True,
                               max_length=run["model"]["context"], return_tensors="pt")
                found = self.logits(of["input_ids"], of["attention_mask"]).argmax(1).tolist()
                right += sum(names[number] == row[label] for number, row in zip(found, some))
        return right / len(rows)


def rate(step):
    """As ours goes: up in a line, down in half a cosine."""
    highest, warmup = train["learning_rate"], train["warmup"]
    steps = train.get("decay_steps", train["steps"])
    lowest = train.get("min_learning_rate", highest / 10)
    if step <= warmup:
        return highest * step / (warmup + 1)
    if train["schedule"] == "constant":
        return highest
    assert train["schedule"] == "cosine"
    done = min(1.0, (step - 1 - warmup) / (steps - warmup))
    return lowest + (highest - lowest) * 0.5 * (1 + math.cos(math.pi * done))


assert train["method"] == "full"
ours = {}
for part in arguments.run.glob("journal*.jsonl"):
    for line in part.read_text().splitlines():
        record = json.loads(line)
        if record.get("type") == "step":
            ours[record["step"]] = record["loss"]

model = Classifier() if arguments.start else Decoder()
model.train()
weights = list(model.parameters())
adamw = torch.optim.AdamW(
    [
        {"params": [weight for weight in weights if weight.dim() > 1],
         "weight_decay": optimizer.get("weight_decay", 0.1)},
        {"params": [weight for weight in weights if weight.dim() < 2], "weight_decay": 0.0},
    ],
    betas=(optimizer.get("beta1", 0.9), optimizer.get("beta2", 0.99)),
    eps=optimizer.get("epsilon", 1e-8),
)
began, worst = time.time(), 0.0
with arguments.batches.open() as batches:
    for line in batches:
        batch = json.loads(line)
        step = batch["step"]
        if arguments.steps and step > arguments.steps:
            break
        for group in adamw.param_groups:
            group["lr"] = rate(step)
        adamw.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        if train["clip"] > 0:
            torch.nn.utils.clip_grad_norm_(weights, train["clip"])
        adamw.step()
        if step in ours:
            worst = max(worst, abs(ours[step] - loss.item()))
        if step <= 20 or step % 50 == 0:
            print(f"step {step}: loss {loss.item():.6f}, ours {ours.get(step, float('nan')):.6f}", flush=True)
print(f"largest difference of a step's losses {worst:.2e}; {time.time() - began:.0f} s")
if arguments.test:
    print(f"accuracy {model.accuracy(arguments.test):.4f}")
