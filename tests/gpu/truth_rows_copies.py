"""Rows of the truth table: moves of host tensors, copies into device tensors, and copies back."""

from __future__ import annotations

from collections.abc import Mapping

TEXTS: Mapping[str, str] = {
    "torch.tensor(list8).to(dev)": "torch.tensor(list8).to(dev)",
    "torch.tensor(list8).cuda()": "torch.tensor(list8).cuda()",
    "torch.tensor(list8).to(dev, nb)": "torch.tensor(list8).to(dev, non_blocking=True)",
    "torch.tensor(list1k).to(dev, nb)": "torch.tensor(list1k).to(dev, non_blocking=True)",
    "cpu tensor 64KiB-8.to(dev, nb) pageable": """
        host = torch.zeros(8191, dtype=torch.int64)
        host.to(dev, non_blocking=True)
    """,
    "cpu tensor 128KiB.to(dev, nb) pageable": """
        host = torch.zeros(16384, dtype=torch.int64)
        host.to(dev, non_blocking=True)
    """,
    "cpu tensor 8MB.to(dev, nb) pageable": "cpu_8mb.to(dev, non_blocking=True)",
    "cpu tensor 8MB.to(dev) pageable": "cpu_8mb.to(dev)",
    "torch.tensor(list8, pin).to(dev, nb)": "torch.tensor(list8, pin_memory=True).to(dev, non_blocking=True)",
    "torch.tensor(list1k, pin).to(dev, nb)": "torch.tensor(list1k, pin_memory=True).to(dev, non_blocking=True)",
    "torch.tensor(list8, pin).to(dev) blocking": "torch.tensor(list8, pin_memory=True).to(dev)",
    "torch.tensor(list8).pin_memory().to(dev, nb)": "torch.tensor(list8).pin_memory().to(dev, non_blocking=True)",
    "torch.tensor(list8, pin).cuda(nb)": "torch.tensor(list8, pin_memory=True).cuda(non_blocking=True)",
    "torch.tensor(3, pin).to(dev, nb)": "torch.tensor(3, pin_memory=True).to(dev, non_blocking=True)",
    "torch.tensor(np1k, pin).to(dev, nb)": "torch.tensor(np1k, pin_memory=True).to(dev, non_blocking=True)",
    "pinned 8MB.to(dev, nb)": "pinned_8mb.to(dev, non_blocking=True)",
    "pinned 8MB.to(dev)": "pinned_8mb.to(dev)",
    "pinned.to(dev, dtype=float32, nb) dtype change": (
        "pinned_8mb.to(dev, dtype=torch.float32, non_blocking=True)"
    ),
    "pinned small.to(dev, dtype=float32, nb) dtype change": (
        "pinned8.to(dev, dtype=torch.float32, non_blocking=True)"
    ),
    "pinned.t().to(dev, nb) transposed dense": "pinned_8mb.t().to(dev, non_blocking=True)",
    "pinned[:, ::2].to(dev, nb) strided": "pinned_8mb[:, ::2].to(dev, non_blocking=True)",
    "pinned[:, :500].to(dev, nb) column slice": "pinned_8mb[:, :500].to(dev, non_blocking=True)",
    "pinned[:500].to(dev, nb) row slice": "pinned_8mb[:500].to(dev, non_blocking=True)",
    "torch.from_numpy(np8).to(dev)": "torch.from_numpy(np8).to(dev)",
    "torch.from_numpy(np8).cuda()": "torch.from_numpy(np8).cuda()",
    "torch.from_numpy(np8).to(dev, nb)": "torch.from_numpy(np8).to(dev, non_blocking=True)",
    "torch.from_numpy(np1m).to(dev, nb)": "torch.from_numpy(np1m).to(dev, non_blocking=True)",
    "torch.from_numpy(np8).pin_memory().to(dev, nb)": (
        "torch.from_numpy(np8).pin_memory().to(dev, non_blocking=True)"
    ),
    "torch.LongTensor(list8).to(dev)": "torch.LongTensor(list8).to(dev)",
    "torch.LongTensor(list8).cuda()": "torch.LongTensor(list8).cuda()",
    "torch.Tensor(F8).to(dev)": "torch.Tensor(floats8).to(dev)",
    "torch.zeros(8).to(dev)": "torch.zeros(8).to(dev)",
    "torch.arange(8).to(dev)": "torch.arange(8).to(dev)",
    "stack(cpu).to(dev)": "torch.stack([cpu8, cpu8]).to(dev)",
    "gpu.to(dev) no-op": "gf.to(dev)",
    "gpu.to(dtype)": "gf.to(torch.float16)",
    "frombuffer.to(dev)": "raw = bytearray(64)\ntorch.frombuffer(raw, dtype=torch.int64).to(dev)",
    "gpu.type('torch.LongTensor'->cuda)": 'cpu8.type("torch.cuda.LongTensor")',
    "cat(cpu).to(dev)": "torch.cat([cpu8, cpu8]).to(dev)",
    "torch.tensor(np).pin_memory().to(nb)": "torch.tensor(np8).pin_memory().to(dev, non_blocking=True)",
    "torch.from_numpy(np).pin_memory().to(nb)": "torch.from_numpy(np1k).pin_memory().to(dev, non_blocking=True)",
    "empty(pin).copy_(from_numpy).to(nb)": (
        "torch.empty(8, dtype=torch.int64, pin_memory=True).copy_(torch.from_numpy(np8)).to(dev, non_blocking=True)"
    ),
    "torch.tensor(np.tolist(), pin).to(nb)": "torch.tensor(np8.tolist(), pin_memory=True).to(dev, non_blocking=True)",
    "torch.tensor(list, pin).to(gpu tensor, nb)": "torch.tensor(list8, pin_memory=True).to(gf, non_blocking=True)",
    "torch.tensor(list).to(gpu tensor)": "torch.tensor(list8).to(gf)",
    "torch.tensor(list).type_as(gpu)": "torch.tensor(list8).type_as(gf)",
    "torch.tensor(list, pin).type_as(gpu)": "torch.tensor(list8, pin_memory=True).type_as(gf)",
    "torch.zeros(8).to(gpu tensor)": "torch.zeros(8).to(gf)",
    "torch.zeros(8, pin).to(nb)": "torch.zeros(8, pin_memory=True).to(dev, non_blocking=True)",
    "torch.ones(8).cuda()": "torch.ones(8).cuda()",
    "torch.tensor(list).to(device=dev, dtype=f32)": "torch.tensor(list8).to(device=dev, dtype=torch.float32)",
    "torch.tensor(list, pin).to(device=dev, dtype=bf16, nb)": (
        "torch.tensor(list8, pin_memory=True).to(device=dev, dtype=torch.bfloat16, non_blocking=True)"
    ),
    "torch.tensor(list,pin).view(2,4).t().to(nb)": (
        "torch.tensor(list8, pin_memory=True).view(2, 4).t().to(dev, non_blocking=True)"
    ),
    "torch.tensor(list,pin)[::2].to(nb)": "torch.tensor(list8, pin_memory=True)[::2].to(dev, non_blocking=True)",
    "torch.tensor(list,pin).unsqueeze(0).expand(4,-1).to(nb)": (
        "torch.tensor(list8, pin_memory=True).unsqueeze(0).expand(4, -1).to(dev, non_blocking=True)"
    ),
    "pad_sequence(cpu).to(dev)": "nn.utils.rnn.pad_sequence([cpu8f, cpu8f]).to(dev)",
    "pinned x4 in a row": """
        (
            torch.tensor(list8, pin_memory=True).to(dev, non_blocking=True),
            torch.tensor(list8, pin_memory=True).to(dev, non_blocking=True),
            torch.tensor(list8, pin_memory=True).to(dev, non_blocking=True),
            torch.tensor(list8, pin_memory=True).to(dev, non_blocking=True),
        )
    """,
    "stacked: tensor([[..]]*4, pin).to(nb).unbind()": (
        "torch.tensor([list8, list8, list8, list8], pin_memory=True).to(dev, non_blocking=True).unbind()"
    ),
    "torch.tensor(bytes)": (
        'text = b"some bytes"\ntorch.tensor(list(text), dtype=torch.uint8).to(dev, non_blocking=True)'
    ),
    "torch.randn(8).to(dev)": "torch.randn(8).to(dev)",
    "torch.randint cpu .cuda()": "torch.randint(0, 8, (8,)).cuda()",
    "gen on cpu randn(generator=cpu).to": (
        "generator = torch.Generator().manual_seed(0)\ntorch.randn(8, generator=generator).to(dev)"
    ),
    "gf.to('cuda', copy=True)": 'gf.to("cuda", copy=True)',
    "empty cpu tensor .to(dev)": "torch.empty(0).to(dev)",
    # Into a tensor that is on the device
    "gpu.copy_(cpu)": "g8.copy_(cpu8)",
    "gpu.copy_(cpu, nb)": "g8.copy_(cpu8, non_blocking=True)",
    "gpu.copy_(pinned)": "g8.copy_(pinned8)",
    "gpu.copy_(pinned, nb)": "g8.copy_(pinned8, non_blocking=True)",
    "gpu slice.copy_(pinned, nb) strided dst": ("gd[:, :500].copy_(pinned_8mb[:, :500], non_blocking=True)"),
    "gpu.copy_(cpu8MB, nb)": "gd.copy_(cpu_8mb, non_blocking=True)",
    # Back to the host
    "gpu.item()": "g0d.item()",
    "gpu.tolist()": "g8.tolist()",
    "gpu.cpu()": "gf.cpu()",
    "gpu.to('cpu', nb)": 'gf.to("cpu", non_blocking=True)',
    "float(gpu)": "float(g0d)",
    "bool(gpu)": "bool(g0d)",
    "gpu.any() bool": "bool(gmask.any())",
    "gf.pin_memory? cpu()": "g8.cpu()",
}
