#!/usr/bin/env python3
"""Fine-tuning and generation of a pretrained decoder beside PyTorch: one CPU device of one thread, two of them, and PyTorch
with two threads take turns, round by round. Prints the medians, and what was predicted after `trainyard measure`.

    python3 -m venv VENV && VENV/bin/pip install torch transformers peft gguf
    VENV/bin/python scripts/against-torch.py lora PROGRAM MODEL TEXT
    VENV/bin/python scripts/against-torch.py full PROGRAM MODEL TEXT
    VENV/bin/python scripts/against-torch.py generate PROGRAM MODEL

PROGRAM is a built `trainyard`, MODEL a folder in Hugging Face layout or a GGUF file, TEXT a file of text.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ONE = '[{id="one",adapter="cpu",threads=1}]'
TWO = '[{id="one",adapter="cpu",threads=1},{id="two",adapter="cpu",threads=1}]'
BOTH_CORES = '[{id="one",adapter="cpu",threads=2}]'
PROMPTS = ["The capital of France is", "A train leaves the yard"]
PRODUCTS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("what", choices=["lora", "full", "generate"])
parser.add_argument("program", type=pathlib.Path)
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("text", type=pathlib.Path, nargs="?")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--tokens", type=int, default=64)
parser.add_argument("--context", type=int, default=256)
parser.add_argument("--batch", type=int, default=8)
parser.add_argument("--micro-batches", type=int, default=4)
parser.add_argument("--torch", action="store_true", help="PyTorch's part alone, which is a process of its own")
arguments = parser.parse_args()
if arguments.what != "generate" and not arguments.text:
    parser.error("TEXT is missing")


def torch_model():
    import torch
    import transformers

    torch.set_num_threads(2)
    path, more = arguments.model, {}
    if path.suffix == ".gguf":
        path, more = path.parent, {"gguf_file": path.name}
    load = transformers.AutoModelForCausalLM.from_pretrained
    return torch, load(path, dtype=torch.float32, **more), (path, more)


def torch_steps():
    """Tokens a second of each step but the first."""
    torch, model, _ = torch_model()
    if arguments.what == "lora":
        import peft

        config = peft.LoraConfig(r=16, lora_alpha=32, target_modules=PRODUCTS, task_type="CAUSAL_LM")
        model = peft.get_peft_model(model, config)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    rows, found = arguments.batch // arguments.micro_batches, []
    tokens = torch.randint(0, model.config.vocab_size, (arguments.batch, arguments.context))
    for _ in range(arguments.steps):
        began = time.time()
        for part in tokens.split(rows):
            (model(input_ids=part, labels=part).loss / arguments.micro_batches).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        found.append(tokens.numel() / (time.time() - began))
    return found[1:]


def torch_generation():
    import transformers

    torch, model, (path, more) = torch_model()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path, **more)
    given = tokenizer(PROMPTS[0], return_tensors="pt")
    asked = {"max_new_tokens": arguments.tokens, "min_new_tokens": arguments.tokens, "do_sample": False}
    model.generate(**given, **asked | {"max_new_tokens": 4, "min_new_tokens": 4})
    began = time.time()
    model.generate(**given, **asked)
    return [arguments.tokens / (time.time() - began)]


def of_torch():
    said = subprocess.run([sys.executable, *sys.argv, "--torch"], check=True, capture_output=True, text=True)
    return json.loads(said.stdout.splitlines()[-1])


def trainyard(*words):
    return subprocess.run([arguments.program.resolve(), *words], check=True, capture_output=True, text=True)


def run_file(folder):
    path = folder / "run.toml"
    path.write_text(f"""
[model]
kind = "hf"
path = "{arguments.model.resolve()}"
context = {arguments.context}
[data]
text = "{arguments.text.resolve()}"
[train]
method = "{arguments.what}"
steps = {arguments.steps}
batch = {arguments.batch}
micro_batches = {arguments.micro_batches}
learning_rate = 1e-4
checkpoint_every = 0
validate_every = 0
validate_whole_at_end = false
sample_tokens = 0
{"[lora]" if arguments.what == "lora" else ""}
{"rank = 16" if arguments.what == "lora" else ""}
""")
    return path


def trained(file, devices, name):
    """Tokens a second of each step but the first, and the run's folder."""
    run = file.parent / name
    trainyard("train", file, "--set", f"device={devices}", "--set", f"run.dir={run}")
    records = map(json.loads, (run / "journal.jsonl").read_text().splitlines())
    speeds = [record["tokens_per_s"] for record in records if record["type"] == "step"]
    return speeds[1:], run


def generated(devices, prompts):
    words = [word for prompt in prompts for word in ("--prompt", prompt)]
    tokens = str(arguments.tokens)
    said = trainyard("generate", arguments.model, *words, "--tokens", tokens, "--temperature", "0", "--ignore-eos",
                     "--set", f"device={devices}")
    return [float(re.findall(r"([\d.]+) tokens/s", said.stderr)[-1])]


def predictions(run):
    found = json.loads(trainyard("compare", run, "--json").stdout)

    def off(pair):
        return f"{100 * (pair['predicted'] / pair['measured'] - 1):+.1f} %"

    peaks = ", ".join(f"{device['id']} {off(device['peak_bytes'])}" for device in found["devices"])
    return f"predicted step {off(found['step_us'])}, peaks {peaks}"


def tell(all_speeds):
    medians = {name: statistics.median(speeds) for name, speeds in all_speeds.items()}
    for name, speeds in all_speeds.items():
        print(f"{name}: {medians[name]:.1f} tokens/s ({', '.join(f'{speed:.1f}' for speed in speeds)})")
    return medians


def round_by_round(parts):
    found = {name: [] for name in parts}
    for number in range(arguments.rounds):
        for name, part in parts.items():
            found[name] += part()
            print(f"round {number + 1}, {name}", file=sys.stderr)
    return found


if arguments.torch:
    print(json.dumps(torch_generation() if arguments.what == "generate" else torch_steps()))
elif arguments.what == "generate":
    medians = tell(round_by_round({
        "one device, two threads": lambda: generated(BOTH_CORES, PROMPTS[:1]),
        "split, one prompt": lambda: generated(TWO, PROMPTS[:1]),
        "split, two prompts": lambda: generated(TWO, PROMPTS),
        "PyTorch": of_torch,
    }))
    one, split, split_of_two, torch_speed = medians.values()
    print(f"one device {one / torch_speed:.2f}x PyTorch; split {split / torch_speed:.2f}x with one prompt, "
          f"{split_of_two / torch_speed:.2f}x with two; beside one device {split / one:.2f}x, {split_of_two / one:.2f}x")
else:
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        os.environ["TRAINYARD_CACHE"] = str(folder / "cache")
        file, told = run_file(folder), []
        trainyard("measure", file, "--set", f"device={TWO}")

        def two_devices():
            speeds, run = trained(file, TWO, f"two-{len(told)}")
            told.append(predictions(run))
            return speeds

        medians = tell(round_by_round({
            "one device": lambda: trained(file, ONE, f"one-{len(told)}")[0],
            "two devices": two_devices,
            "PyTorch": of_torch,
        }))
        print("; ".join(told))
        one, two, torch_speed = medians.values()
        print(f"two devices {two / one:.2f}x one, {two / torch_speed:.2f}x PyTorch")
