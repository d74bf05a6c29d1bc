"""Rows of the truth table: operators that neither move nor make, but take what may lie on the host."""

from __future__ import annotations

from collections.abc import Mapping

TEXTS: Mapping[str, str] = {
    "gpu.fill_(3)": "gf.fill_(3)",
    "gpu.fill_(cpu0d)": "gf.fill_(cpu0d)",
    "gpu + cpu0d": "gf + cpu0d",
    "gpu * python scalar": "gf * 2.5",
    "gpu.clamp(min=cpu0d)": "gf.clamp(min=cpu0d)",
    "gpu.repeat_interleave(gidx)": "g8.repeat_interleave(gidx)",
    "gpu.repeat_interleave(gidx, output_size)": "g8.repeat_interleave(gidx, output_size=28)",
    "gpu.repeat_interleave(3)": "g8.repeat_interleave(3)",
    "gpu.nonzero()": "gf.nonzero()",
    "torch.equal": "torch.equal(g8, g8)",
    "unique": "torch.unique(g8)",
    "split(list)": "gf.split([500, 500])",
    "tensor_split(cpu idx)": "torch.tensor_split(gf, torch.tensor([3, 5]))",
    "one_hot(gpu)": "F.one_hot(g8)",
    "one_hot(gpu, num_classes)": "F.one_hot(g8, 9)",
    "bincount": "torch.bincount(g8)",
    "torch.Generator(device).manual_seed": "torch.Generator(device=dev).manual_seed(0)",
    "torch.multinomial": "torch.multinomial(gf, 1)",
    "gpu.normal_()": "gf.normal_()",
    "quantile": "torch.quantile(gf, 0.5)",
    "torch.set sum dim list": "gf.sum(dim=[0, 1])",
    "gpu.view(list)": "gf.view([64, 1000])",
    "F.pad list": "F.pad(gf, [1, 1])",
    "pow scalar": "gf ** 2.5",
    "gf * np.float64": "number = np.float64(2.5)\ngf * number",
    "gf + np array": "array = np.ones(64, dtype=np.float32)\ngf + array",
    "torch.maximum(gf, cpu0d)": "torch.maximum(gf, cpu0d)",
    "gf.clamp_min(0.)": "gf.clamp_min(0.0)",
    "torch.add(gf, cpu0d)": "torch.add(gf, cpu0d)",
    "gf == cpu0d": "gf == cpu0d",
    "gf @ cpu": "gf * torch.tensor(2.0)",
    "addcmul cpu0d": "torch.addcmul(gf, gf, cpu0d)",
    "torch.isin(gidx, 3)": "torch.isin(gidx, 3)",
    "gidx.unsqueeze(-1).eq(list->tensor)": "gidx.unsqueeze(-1).eq(torch.tensor(3))",
    "torch.linalg.norm": "torch.linalg.norm(gf)",
    "gf.split(list)": "gf.split([100, 900])",
    "torch.bernoulli": "torch.bernoulli(gf)",
    "nn.utils.clip_grad": """
        weight = nn.Parameter(torch.ones(8, device=dev))
        weight.grad = torch.ones(8, device=dev)
        nn.utils.clip_grad_norm_([weight], 1.0)
    """,
    "torch.cuda.Event record/wait": "torch.cuda.Event().record()",
    "torch.split by tensor tolist": "sizes = torch.tensor([500, 500])\ngf.split(sizes.tolist())",
    "torch.complex": "torch.complex(gf, gf)",
}
