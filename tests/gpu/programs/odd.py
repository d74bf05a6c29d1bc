# mypy: ignore-errors
"""Copies where a recorder may lose them: threads, processes, graphs, compiled code, other tools at work.

A line with ``blocks: N`` in a comment has N blocking host-to-device copies in a run; a line that copies without
blocking says ``blocks: 0``. ``waits: N`` are waits with another cause. The lines of a case are those of ``case_NAME``
and of the functions and classes named ``NAME_...``. tests/gpu/test_trace.py reads the comments.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import subprocess
import sys
import threading
import warnings

import torch
from driving import options, record, report, seed

CASES = {}
LARGE = 64 << 20
"""Elements: large enough that the driver holds the host for a copy that it stages."""


def case(function):
    CASES[function.__name__.removeprefix("case_")] = function
    return function


@case
def case_plain(device):
    made = [torch.tensor([1, 2, 3], device=device) for _ in range(5)]  # blocks: 5
    made.append(torch.stack([torch.tensor(1, device=device), torch.tensor(2, device=device)]))  # blocks: 2
    made.append(torch.full((3,), 2.0, device=device))  # blocks: 0
    made.append(torch.tensor([4, 5], pin_memory=True).to(device, non_blocking=True))  # blocks: 0
    made.append(torch.tensor([6, 7]).pin_memory().to(device))  # blocks: 1
    return made


@case
def case_indexing(device):
    x = torch.arange(12.0, device=device).view(3, 4)
    picked = [x[[0, 2]] for _ in range(4)]  # blocks: 4
    for row in range(3):
        x[row, 1] = 7.0  # blocks: 3
    x[torch.arange(2, device=device)] = 1.5  # blocks: 1
    x.copy_(torch.arange(12.0).view(3, 4))  # blocks: 1
    x[1] = 3.0  # blocks: 0
    return [picked, x]


@case
def case_moved(device):
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    model.to(device)  # blocks: 4
    with torch.device(device):
        constant = torch.tensor([1.0, 2.0, 3.0, 4.0])  # blocks: 1
    return model(constant)


@case
def case_waits(device):
    x = torch.arange(4.0, device=device)
    total = sum(x[i].item() for i in range(3))  # waits: 3
    back = x.cpu()  # waits: 1
    torch.cuda.synchronize()  # waits: 1
    return [total, back]


@case
def case_threads(device):
    results = {}

    def threads_work(number):
        seen = []
        for value in range(5):
            seen.append(torch.tensor([number, value], device=device))  # blocks: 20
        results[number] = seen

    threads = [threading.Thread(target=threads_work, args=(i,), name=f"worker {i}") for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def spawn_work(queue, device):
    total = 0
    for value in range(3):
        total += torch.tensor([value], device=device)  # blocks: 6
    queue.put(int(total.item()))  # waits: 2


@case
def case_spawn(device):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=spawn_work, args=(queue, device)) for _ in range(2)]
    for worker in workers:
        worker.start()
    results = sorted(queue.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.join()
    return results


def subprocess_child(device):
    return torch.tensor([9, 9], device=device)  # blocks: 1


@case
def case_subprocess(device):
    command = [sys.executable, __file__, "--device", str(device), "--child"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout.splitlines()[-1])["child"]


class loader_Squares(torch.utils.data.Dataset):
    def __len__(self):
        return 16

    def __getitem__(self, index):
        return torch.tensor([index, index * index])


@case
def case_loader(device):
    dataset = loader_Squares()
    context = "fork"
    plain = torch.utils.data.DataLoader(dataset, 4, num_workers=2, multiprocessing_context=context)
    pinned = torch.utils.data.DataLoader(
        dataset, 4, num_workers=2, pin_memory=True, multiprocessing_context=context
    )
    made = []
    for batch in plain:
        made.append(batch.to(device))  # blocks: 4
    for batch in pinned:
        made.append(batch.to(device, non_blocking=True))  # blocks: 0
    return made


@case
def case_debug_mode(device):
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = []
            for value in range(3):
                made.append(torch.tensor([value], device=device))  # blocks: 3
        assert torch.cuda.get_sync_debug_mode() == 1, "somebody has changed the user's debug mode"
        told = sum("synchroniz" in str(one.message) for one in caught)
        assert told == 3, f"the program's own debug mode warned {told} times, not 3"
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return made


@torch.compiler.disable
def compile_upload(values, device):
    return torch.tensor(values, device=device)  # blocks: 4


def compile_step(x, values):
    x = torch.sin(x) * 2
    index = compile_upload(values, x.device)
    return torch.cos(x[index]) + 1


@case
def case_compile(device):
    step = torch.compile(compile_step)
    x = torch.linspace(0, 1, 8, device=device)
    return [step(x, [0, 3, 5]) for _ in range(4)]


@case
def case_graphs(device):
    static = torch.zeros(4, device=device)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        out = static * 2
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = static * 2
    made = []
    for value in range(3):
        static.copy_(torch.tensor([value, 1.0, 2.0, 3.0]))  # blocks: 3
        graph.replay()
        made.append(out.clone())
    return made


@case
def case_streams(device):
    made = []
    for stream in (torch.cuda.Stream(), torch.cuda.Stream()):
        with torch.cuda.stream(stream):
            made.append(torch.tensor([1.0, 2.0], device=device))  # blocks: 2
    torch.cuda.synchronize()  # waits: 1
    return made


class backward_Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        # Autograd calls this on a thread of its own that C++ started.
        return backward_scale(grad)


def backward_scale(grad):
    return grad * torch.tensor([2.0, 3.0], device=grad.device)  # blocks: 3


@case
def case_backward(device):
    x = torch.ones(2, device=device, requires_grad=True)
    grads = []
    for _ in range(3):
        grads.append(torch.autograd.grad(backward_Scaled.apply(x).sum(), x)[0])
    return grads


@case
def case_async(device):
    async def async_upload(value):
        await asyncio.sleep(0)
        return torch.tensor([value], device=device)  # blocks: 3

    async def async_all():
        return await asyncio.gather(*(async_upload(value) for value in range(3)))

    return asyncio.run(async_all())


@case
def case_raises(device):
    seen = 0
    for value in range(2):
        try:
            torch.tensor([value], device=device) / "nothing"  # blocks: 2
        except TypeError:
            seen += 1
    return seen


@case
def case_large(device):
    pageable = torch.ones(LARGE)
    gapped = torch.ones(4096, 8192, pin_memory=True)[:, ::2]
    made = []
    for _ in range(2):
        made.append(pageable.to(device, non_blocking=True)[:2])  # blocks: 2
        made.append(gapped.to(device, non_blocking=True)[:2, :2])  # blocks: 2
    torch.cuda.synchronize()  # waits: 1
    return made


@case
def case_profiled(device):
    from torch.profiler import ProfilerActivity, profile

    made = []
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        for value in range(3):
            made.append(torch.tensor([value], device=device))  # blocks: 3
    assert any(event.name == "aten::to" for event in profiler.events()), "the program's own profile is empty"
    made.append(torch.tensor([7], device=device))  # blocks: 1
    return made


def main() -> None:
    parser = options(__doc__, epilog="cases: " + ", ".join(CASES))
    parser.add_argument("--only", action="append", choices=list(CASES))
    parser.add_argument("--child", action="store_true", help="be the program that case subprocess starts")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    if chosen.child:
        report(child=subprocess_child(device).tolist())
        return
    # CUDA's own start, and the libraries that the first kernel loads.
    torch.ones(2, device=device).add_(1)
    failed = {}
    for name in chosen.only or CASES:
        seed()
        try:
            record(name, CASES[name](device))
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"[:500]
    report(cases=len(chosen.only or CASES), failed=failed)


if __name__ == "__main__":
    main()
