"""The model and the step of `trainyard bench pipeline` in PyTorch, timed on request.

Started by the bench with what the step is, as JSON:

    python3 torch_pipeline.py '{"ranks": 2, "blocks": 8, "micro_batches": 8, "rows": 64, ...}'

Two contenders, each one thread a process: `plain`, a loop on one device, and `pipeline`,
`torch.distributed.pipelining` under 1F1B over gloo with a process a rank. The bench writes a
contender's name on a line of standard input and gets one line of JSON: the median time of a few steps
and the last loss. Nothing computes in between. The end of standard input ends all processes.
"""

import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time

# Before PyTorch is loaded, for every process that is started from here.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
# Ranks find each other on this machine and nowhere else.
os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.pipelining import PipelineStage, Schedule1F1B


class Block(nn.Module):
    """x + W2 · gelu(W1 · x)"""

    def __init__(self, width, inner):
        super().__init__()
        self.widen = nn.Linear(width, inner)
        self.narrow = nn.Linear(inner, width)

    def forward(self, x):
        return x + self.narrow(nn.functional.gelu(self.widen(x)))


def blocks(setup, first, end):
    """Some of the model's blocks; each has the same weights whichever process makes it."""
    made = []
    for block in range(first, end):
        torch.manual_seed(block)
        made.append(Block(setup["width"], setup["inner"]))
    return nn.Sequential(*made)


def optimizer_of(model):
    """AdamW with the settings of the other contenders, as the one fused pass that PyTorch has."""
    return torch.optim.AdamW(
        model.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-5, weight_decay=1e-4, fused=True
    )


def whole_batch(setup):
    """Inputs and targets, one micro-batch after the other, as the bench makes them."""
    size = setup["rows"] * setup["width"]
    count = torch.arange(size, dtype=torch.int64)

    def values(salt):
        part = ((count * 31 + salt * 17) % 97).to(torch.float32) / 97.0 - 0.5
        return part.reshape(setup["rows"], setup["width"])

    each = range(setup["micro_batches"])
    return torch.cat([values(m) for m in each]), torch.cat([values(m + 50) for m in each])


def squared_norm(model):
    """Of all gradients."""
    return torch.stack([p.grad.square().sum() for p in model.parameters()]).sum()


def clip(model, squared):
    """Scales gradients down to a global norm of 1, given the square of their norm."""
    scale = 1.0 / squared.sqrt().item()
    if scale < 1.0:
        for parameter in model.parameters():
            parameter.grad.mul_(scale)


def median_ms(setup, step):
    """The median time of a few steps, and the last one's loss."""
    times, loss = [], None
    for _ in range(setup["steps"]):
        started = time.perf_counter()
        loss = step()
        times.append((time.perf_counter() - started) * 1e3)
    return {"ms": statistics.median(times), "loss": loss}


def plain(setup):
    """A loop on one device."""
    model = blocks(setup, 0, setup["blocks"])
    optimizer = optimizer_of(model)
    count = setup["micro_batches"]
    inputs, targets = (whole.chunk(count) for whole in whole_batch(setup))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss_sum = 0.0
        for x, target in zip(inputs, targets):
            loss = nn.functional.mse_loss(model(x), target) / count
            loss.backward()
            loss_sum += loss.item()
        clip(model, squared_norm(model))
        optimizer.step()
        return loss_sum

    return step


def pipeline(setup, rank):
    """A rank of `torch.distributed.pipelining`: an equal share of the blocks, and its part of the step."""
    ranks, count = setup["ranks"], setup["blocks"]
    model = blocks(setup, rank * count // ranks, (rank + 1) * count // ranks)
    optimizer = optimizer_of(model)
    stage = PipelineStage(model, rank, ranks, torch.device("cpu"))
    schedule = Schedule1F1B(stage, setup["micro_batches"], loss_fn=nn.functional.mse_loss)
    inputs, targets = whole_batch(setup)

    def step():
        optimizer.zero_grad(set_to_none=True)
        losses = []
        if rank == 0:
            schedule.step(inputs, **({"target": targets, "losses": losses} if ranks == 1 else {}))
        elif rank == ranks - 1:
            schedule.step(target=targets, losses=losses)
        else:
            schedule.step()
        # The norm is that of the whole model's gradients; and the step is over for all at once.
        squared = squared_norm(model)
        dist.all_reduce(squared)
        clip(model, squared)
        optimizer.step()
        dist.barrier()
        return sum(loss.item() for loss in losses) / len(losses) if losses else None

    return step


def worker(setup, rank, store, connection):
    """A process that takes a few steps whenever it is told to."""
    torch.set_num_threads(1)
    try:
        if rank is None:
            step = plain(setup)
        else:
            dist.init_process_group("gloo", f"file://{store}", rank=rank, world_size=setup["ranks"])
            step = pipeline(setup, rank)
        connection.send(None)
        while connection.recv():
            connection.send(median_ms(setup, step))
    except EOFError:
        pass
    except Exception as error:  # whatever it is, the bench is to say it
        connection.send({"error": f"{type(error).__name__}: {error}".splitlines()[0]})
    # Without waiting for ranks that may be gone.
    os._exit(0)


def asked(connections):
    """Lets some workers take their steps at the same time: the slowest's time, the last rank's loss."""
    try:
        for connection in connections:
            connection.send(True)
        answers = [connection.recv() for connection in connections]
    except (EOFError, OSError):
        return {"error": "a process of PyTorch's has ended"}
    # Where one failed, the others miss it: so all that they say.
    errors = [answer["error"] for answer in answers if "error" in answer]
    if errors:
        return {"error": "; ".join(errors)}
    return {"ms": max(answer["ms"] for answer in answers), "loss": answers[-1]["loss"]}


def main():
    setup = json.loads(sys.argv[1])
    spawning = multiprocessing.get_context("spawn")

    def started(rank, store=None):
        ours, theirs = spawning.Pipe()
        process = spawning.Process(target=worker, args=(setup, rank, store, theirs), daemon=True)
        process.start()
        theirs.close()
        return ours

    with tempfile.TemporaryDirectory(prefix="trainyard-torch-") as folder:
        store = os.path.join(folder, "ranks")
        contenders = {
            "plain": [started(None)],
            "pipeline": [started(rank, store) for rank in range(setup["ranks"])],
        }
        ready = [connection.recv() for all in contenders.values() for connection in all]
        failed = next((answer for answer in ready if answer), None)
        print(json.dumps(failed or {"torch": torch.__version__}), flush=True)
        for line in sys.stdin:
            print(json.dumps(asked(contenders[line.strip()])), flush=True)


if __name__ == "__main__":
    main()
