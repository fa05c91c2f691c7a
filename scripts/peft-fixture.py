#!/usr/bin/env python3
"""Writes crates/trainyard-models/tests/fixtures/peft.safetensors: two linear layers with PEFT's adapters, their
output and every gradient, to compare ours with (tests/lora.rs).

    pip install torch peft safetensors
    scripts/peft-fixture.py
"""

import pathlib

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

RANK, ALPHA = 3, 5.0
INPUTS, HIDDEN, OUTPUTS = 10, 13, 7


class Two(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up = torch.nn.Linear(INPUTS, HIDDEN)
        self.down = torch.nn.Linear(HIDDEN, OUTPUTS, bias=False)

    def forward(self, x):
        return self.down(torch.tanh(self.up(x)))


torch.manual_seed(7)
config = LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=["up", "down"])
model = get_peft_model(Two(), config)
for name, weight in model.named_parameters():
    # B begins at zero, where A has no gradient.
    if "lora_B" in name:
        torch.nn.init.normal_(weight, std=0.3)
x = torch.randn(4, 6, INPUTS, requires_grad=True)
g = torch.randn(4, 6, OUTPUTS)
y = model(x)
(y * g).sum().backward()

tensors = {"x": x, "g": g, "y": y, "x.grad": x.grad}
for part in ["up", "down"]:
    layer = getattr(model.base_model.model, part)
    tensors[f"{part}.weight"] = layer.base_layer.weight
    if layer.base_layer.bias is not None:
        tensors[f"{part}.bias"] = layer.base_layer.bias
    assert layer.base_layer.weight.grad is None
    for letter, adapter in [("a", layer.lora_A.default), ("b", layer.lora_B.default)]:
        tensors[f"{part}.{letter}"] = adapter.weight
        tensors[f"{part}.{letter}.grad"] = adapter.weight.grad
tensors = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
place = pathlib.Path(__file__).parent.parent / "crates/trainyard-models/tests/fixtures/peft.safetensors"
place.parent.mkdir(exist_ok=True)
save_file(tensors, place, metadata={"rank": str(RANK), "alpha": str(ALPHA)})
print(place, place.stat().st_size, "bytes")
