"""Traces as a serving engine leaves them, drawn from a seed; their findings and fixes are the linter's own."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, replace
from pathlib import Path

from h2dlint.engine.runner import lint_source
from h2dlint.engine.settings import Settings
from h2dlint.model import Confidence, Options
from h2dlint.runtime.join import explain
from h2dlint.runtime.page import FindingRow, SiteRow, page_rows
from h2dlint.runtime.traces import ASYNC, STAGED, SYNC, WAIT, Frame, Process, Site, Stall, Trace

BEGAN = 1795381200.0
"""When the run began, seconds since the epoch."""

ENGINE = '''\
"""One step of a decode loop, written as one would before being told."""

import numpy as np
import torch
from torch import nn


class Sampler(nn.Module):
    """Temperature, penalties and stop tokens."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = torch.device("cuda")
        self.eos = torch.tensor([2, 32000], device="cuda")

    def forward(
        self, logits: torch.Tensor, temperatures: list[float], stop: list[int], bias: dict[int, float]
    ) -> torch.Tensor:
        scale = torch.tensor(
            temperatures,
            dtype=torch.float32,
            device=logits.device,
        )
        logits = logits / scale[:, None]
        rows = torch.tensor(list(range(len(stop))), device="cuda")
        banned = torch.as_tensor(np.array(stop), device="cuda")
        logits[rows, banned] = float("-inf")
        for token, value in bias.items():
            logits[:, token] += torch.tensor(value).to("cuda")
        return logits[[0, 2]].argmax(-1)


class Engine:
    def __init__(self, model: nn.Module, sampler: Sampler) -> None:
        self.model, self.sampler = model, sampler

    def prepare(self, lens: list[int]) -> torch.Tensor:
        positions = torch.tensor(lens, device="cuda")
        mask = torch.zeros(len(lens), 128).cuda()
        return positions + mask.sum(-1)

    def step(self, batch: list[list[int]], temperatures: list[float]) -> list[int]:
        hidden = self.model(self.prepare([len(row) for row in batch]))
        tokens = self.sampler(hidden, temperatures, [7, 9], {11: 0.5})
        return tokens.tolist()

    def replay(self, ids: list[int]) -> torch.Tensor:
        return torch.tensor(ids, device="cuda")
'''

TORCH = "/opt/venv/lib/python3.12/site-packages/torch/nn/modules/module.py"
WRAPPERS = (
    (TORCH, 1786, "Module._call_impl"),
    (TORCH, 1775, "Module._wrapped_call_impl"),
)


@dataclass(frozen=True)
class Sample:
    """What `page.render` takes, and the folder that the engine lies in."""

    trace: Trace
    rows: tuple[SiteRow, ...]
    extra: tuple[FindingRow, ...]
    root: Path


SETTINGS = Settings(options=Options(assume_cuda=True))


def sample(
    folder: Path, *, processes: int = 2, stalls: int = 4000, seed: int = 0, seconds: float = 12.0
) -> Sample:
    """A run of a serving engine.

    Args:
        folder: where the engine's source is written.
        processes: how many ranks it has; each has a main thread and one that fetches.
        stalls: how many times the host is held, roughly, over all.
        seed: of the generator.
        seconds: that each process is recorded.
    """
    draw = random.Random(seed)
    source = folder / "engine" / "step.py"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(ENGINE, encoding="utf-8", newline="\n")
    # As a file that was there before the run.
    os.utime(source, (BEGAN - 1e5, BEGAN - 1e5))
    sites = _sites(source, draw, processes)
    times = _stalls(draw, sites, processes, stalls, seconds)
    sites = [
        _counted(site, [stall for stall in times if stall.site == index]) for index, site in enumerate(sites)
    ]
    order = sorted(range(len(sites)), key=lambda index: -sites[index].held_us)
    place = {old: new for new, old in enumerate(order)}
    replayed = ENGINE[: ENGINE.index("    def replay")].count("\n") + 2
    trace = Trace(
        command=("python", "serve.py", "--model", "tiny", "--ranks", str(processes)),
        processes=tuple(
            Process(
                pid=41200 + 7 * rank,
                argv=("python", "serve.py", f"--rank={rank}"),
                started=BEGAN + 0.35 * rank,
                wall_s=seconds - 0.2 * (rank % 3),
                gpu="NVIDIA H200",
                torch="2.11.0",
                python="3.12.11",
                dropped=120 if rank == 1 else 0,
            )
            for rank in range(processes)
        ),
        sites=tuple(sites[index] for index in order),
        stalls=tuple(
            replace(stall, site=place[stall.site])
            for stall in sorted(times, key=lambda stall: stall.start_us)
        ),
        lines={str(source): tuple(line for line in range(1, ENGINE.count("\n") + 1) if line != replayed)},
    )
    said = explain(trace, [str(source.parent)], SETTINGS, folder)
    assert not said.errors, said.errors
    rows, extra = page_rows(said)
    return Sample(trace, tuple(rows), tuple(extra), folder)


def _sites(source: Path, draw: random.Random, processes: int) -> list[Site]:
    """One site for each finding but two, and others that no rule is about."""
    cold = replace(SETTINGS, cold=True, min_confidence=Confidence.LOW)
    findings = lint_source(str(source), source.read_bytes(), cold).findings
    outer = Frame(str(source), 44, "Engine.step", 18, 44, 67)
    main = Frame(str(source.parent.parent / "serve.py"), 88, "main", 9, 88, 40)
    callers = (outer, main, Frame(main.file, 120, "<module>", 1, 120, 7))
    wrappers = tuple(Frame(*wrapper) for wrapper in WRAPPERS)
    everyone = tuple(range(processes))
    sites: list[Site] = []

    def add(kind: str, operator: str, frame: Frame, size: int, thread: str = "MainThread") -> None:
        inner = (Frame(TORCH, 1355, "Module.to"),) if operator == "Tensor.to" else ()
        chain = (*inner, frame, *(wrappers if "forward" in frame.function else ()), *callers)
        pinned = kind == ASYNC
        sites.append(
            Site(kind, chain, len(inner), operator, 0, 0, 0.0, 0.0, size, pinned, (thread,), 1, everyone)
        )

    for finding in findings:
        span, function = finding.span, finding.function or "<module>"
        # `replay` never runs, and what `prepare` moves is not moved by a call that blocks.
        if function.endswith("replay") or finding.code == "HTD202":
            continue
        frame = Frame(str(source), span.line, function, span.column, span.end_line, span.end_column)
        operator = {"HTD201": "Tensor.to", "HTD301": "__getitem__"}.get(finding.code, "torch.tensor")
        add(SYNC, operator, frame, draw.choice((4, 32, 64, 4096)))
    fetch = str(source.parent / "prefetch.py")
    add(STAGED, "Tensor.to", Frame(fetch, 31, "Prefetcher._run"), 6 << 20, "Thread-3 (_run)")
    library = "/opt/venv/lib/python3.12/site-packages/kvtools/table.py"
    add(SYNC, "Tensor.copy_", Frame(library, 210, "BlockTable.commit"), 8192)
    add(WAIT, "Tensor.tolist", Frame(str(source), 45, "Engine.step", 16, 45, 31), 0)
    add(ASYNC, "Tensor.to", Frame(fetch, 40, "Prefetcher._push"), 1 << 16)
    return sites


def _stalls(
    draw: random.Random, sites: list[Site], processes: int, count: int, seconds: float
) -> list[Stall]:
    """Steps of a loop, each with the same sites in the same order, with a quiet stretch in between."""
    held = [index for index, site in enumerate(sites) if site.kind != ASYNC]
    typical = {index: draw.choice((18.0, 90.0, 400.0, 900.0)) for index in held}
    steps = max(1, count // max(1, len(held) * processes))
    result: list[Stall] = []
    for rank in range(processes):
        length = (seconds - 1.0) * 1e6 / steps
        for step in range(steps):
            # A warm-up at the beginning; around two thirds of the run, a stretch in which nothing is asked for.
            if 0.6 < step / steps < 0.68:
                continue
            now = (0.35 * rank + 0.4) * 1e6 + step * length
            for index in held:
                if "__init__" in sites[index].frames[0].function and step:
                    continue
                took = typical[index] * draw.lognormvariate(0.0, 0.5) * (12.0 if step == 0 else 1.0)
                took = min(took, length / (len(held) + 1))
                result.append(Stall(round(now, 3), took, index, rank, sites[index].threads[0]))
                now += took + draw.uniform(0.02, 0.3) * length / (len(held) + 1)
    return result


def _counted(site: Site, stalls: list[Stall]) -> Site:
    """The site with its sums; a few of the copies of a staged one held nobody."""
    spare = len(stalls) // 4 if site.kind == STAGED else 800 if site.kind == ASYNC else 0
    held = [stall.held_us for stall in stalls]
    count = len(stalls) + spare
    blocked = len(stalls)
    return replace(
        site,
        count=count,
        blocked=blocked,
        held_us=sum(held) + 2.5 * spare,
        max_us=max(held, default=2.5),
        bytes=site.bytes * count,
    )
