# mypy: ignore-errors
"""A decoding loop as in an inference engine: `h2dlint verify --path engine -- python decode.py`.

Prints steps per second, and with ``--busy`` for how long the GPU was at work in a step, as the last line.
"""

from __future__ import annotations

import random
import statistics
import sys
import time

import torch
from driving import options, record, report, seed, synchronize
from engine.model import SIZES, ModelConfig
from engine.request import Request, SamplingParams
from engine.runner import Engine

TINY = ModelConfig(
    vocab_size=211,
    hidden_size=64,
    intermediate_size=96,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
)


def requests(number: int, vocab_size: int, tiny: bool) -> list[Request]:
    """Requests with wishes as they come in: some greedy, some with penalties, biases, a grammar."""
    draw = random.Random(0)
    made = []
    for index in range(number):
        tokens = draw.randint(6, 16) if tiny else draw.randint(96, 256)
        prompt = [draw.randrange(1, vocab_size) for _ in range(draw.randint(4, 24 if tiny else 200))]
        params = SamplingParams(
            temperature=draw.choice([0.0, 0.7, 1.0]),
            top_p=draw.choice([0.9, 0.95, 1.0]),
            min_p=draw.choice([0.0, 0.02]),
            frequency_penalty=draw.choice([0.0, 0.3]),
            presence_penalty=draw.choice([0.0, 0.2]),
            repetition_penalty=draw.choice([1.0, 1.1]),
            min_tokens=tokens // 4,
            max_tokens=tokens,
        )
        if index % 5 == 1:
            params.logit_bias = {draw.randrange(vocab_size): draw.uniform(-4, 4) for _ in range(6)}
        if index % 16 == 3:
            params.banned_tokens = sorted({draw.randrange(vocab_size) for _ in range(5)})
        if index % 11 == 4:
            params.allowed_tokens = sorted({draw.randrange(vocab_size) for _ in range(vocab_size // 2)})
        made.append(Request(index, prompt, params))
    return made


def busy_ms(engine: Engine, steps: int) -> float:
    """GPU time of a step: the union of what its kernels and copies took, from a profile of some steps."""
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        for _ in range(steps):
            engine.step()
        torch.cuda.synchronize()
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profiler.events()
        # Copies and kernels have a time on the device; what the host asked for has none.
        if event.device_type == DeviceType.CUDA
    )
    total, end = 0.0, float("-inf")
    for first, last in spans:
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total / 1e3 / steps


def host_profile(engine: Engine, steps: int) -> None:
    """Where the host's time goes in a step; what waits for the device shows as the call that waits."""
    import cProfile
    import pstats

    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(steps):
        engine.step()
    profiler.disable()
    pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(30)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--steps", type=int, default=300, help="timed steps")
    parser.add_argument("--busy", action="store_true", help="profile some steps, after the timed ones")
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--model", choices=list(SIZES), default="7b")
    parser.add_argument("--profile-host", action="store_true", help="print where the host's time goes")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    steps, slots = (12, 6) if chosen.tiny else (chosen.steps, chosen.slots)
    warm = 4 if chosen.tiny else 80
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    config = TINY if chosen.tiny else SIZES[chosen.model]
    seed()
    # It would compile a plan for each length of a prompt, which takes the host longer than a step.
    torch.backends.cuda.enable_cudnn_sdp(False)
    with torch.inference_mode():
        engine = Engine(config, device, dtype, slots, num_blocks=slots * config.max_blocks + 1, eos=0)
        seed()
        # Enough that the engine never runs dry while it is timed.
        for request in requests(slots * (4 if chosen.tiny else 8), config.vocab_size, chosen.tiny):
            engine.add(request)
        for _ in range(warm):
            engine.step()
        synchronize(device)
        if chosen.profile_host:
            host_profile(engine, steps)
        times, made = [], 0
        began = last = time.perf_counter()
        for _ in range(steps):
            made += engine.step()
            now = time.perf_counter()
            times.append(now - last)
            last = now
        synchronize(device)
        wall = time.perf_counter() - began
        busy = busy_ms(engine, 40) if chosen.busy else None
        synchronize(device)
        everyone = [*engine.finished, *engine.scheduler.running]
        record("tokens", {r.index: r.output for r in sorted(everyone, key=lambda r: r.index)})
        record("last tokens", engine.last_tokens)
        record("counts", engine.sampler.counts)
        # Page 0 holds what padding wrote, in no order; of the others the bits are summed.
        bits = torch.int16 if dtype == torch.bfloat16 else torch.int32
        record(
            "cache",
            [cache[:, 1:].view(bits).sum(dim=(2, 3, 4), dtype=torch.int64) for cache in engine.caches],
        )
    report(
        steps=steps,
        steps_per_s=round(steps / wall, 2),
        tokens_per_s=round(made / wall, 1),
        step_ms=round(wall / steps * 1e3, 4),
        host_step_ms=round(statistics.median(times) * 1e3, 4),
        wall_s=round(wall, 4),
        busy_ms_per_step=None if busy is None else round(busy, 4),
        finished=len(engine.finished),
        tokens=made,
    )


if __name__ == "__main__":
    sys.exit(main())
