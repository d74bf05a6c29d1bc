# mypy: ignore-errors
"""The forward pass of a decoding step as a CUDA graph; without CUDA it is simply called."""

from __future__ import annotations

import torch


class DecodeGraph:
    """A forward pass over fixed buffers that is replayed at one launch.

    Args:
        run: makes the logits from the buffers.
    """

    def __init__(self, run, device: torch.device):
        self.run = run
        self.graph = None
        if device.type != "cuda":
            return
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                run()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.logits = run()

    def replay(self) -> torch.Tensor:
        if self.graph is None:
            return self.run()
        self.graph.replay()
        return self.logits
