# mypy: ignore-errors
"""timm on the GPU: small models of many families, forward and backward, optimizers, augmentation, loaders."""

from __future__ import annotations

from functools import partial

import timm
import torch
from driving import feature, main
from timm import data as D
from timm import layers as L
from timm import loss as losses
from timm import optim, scheduler, utils


def picture(device, tiny, size=64, number=2):
    return torch.rand(number, 3, size, size, device=device)


def run(name, device, size=64, **more):
    """Logits of a model with random weights."""
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, num_classes=7, **more).to(device).eval()
    x = torch.rand(2, 3, size, size, device=device)
    with torch.no_grad():
        return model(x)


@feature
def positions(device, tiny):
    """Models that work their positions out in the forward pass."""
    return [
        run("convit_tiny", device, img_size=64),
        run("edgenext_xx_small", device),
        run("tiny_vit_5m_224", device, size=224),
    ]


@feature
def rotary(device, tiny):
    embed = L.RotaryEmbeddingCat(32, in_pixels=False, feat_shape=None, ref_feat_shape=None).to(device)
    rope = L.RotaryEmbedding(32, in_pixels=True, feat_shape=None).to(device)
    made = [embed.get_embed([6, 7]), rope.get_embed([5, 5])]
    made.append(embed.get_batch_embeds([(4, 4), (6, 5)]))
    made.append(L.build_fourier_pos_embed([8, 8], num_bands=8, device=device))
    made.append(L.build_sincos2d_pos_embed([8, 8], dim=32, device=device))
    made.append(L.resample_abs_pos_embed(torch.rand(1, 50, 16, device=device), [8, 8]))
    return made


@feature
def rotary_dinov3(device, tiny):
    from timm.layers.pos_embed_sincos import RotaryEmbeddingDinoV3

    embed = RotaryEmbeddingDinoV3(32, feat_shape=None, device=device)
    return [embed.get_embed([6, 7])]


@feature
def transformers(device, tiny):
    return [
        run("vit_tiny_patch16_224", device, img_size=64),
        run("deit_tiny_distilled_patch16_224", device, img_size=64),
        run("beit_base_patch16_224", device, img_size=64, depth=2, embed_dim=48, num_heads=3),
        run(
            "swin_tiny_patch4_window7_224",
            device,
            size=56,
            img_size=56,
            depths=(1, 1),
            num_heads=(2, 4),
            embed_dim=32,
        ),
        run("swinv2_tiny_window8_256", device, img_size=64, depths=(1, 1), num_heads=(2, 4), embed_dim=32),
        run("eva02_tiny_patch14_224", device, size=56, img_size=56),
        run("efficientvit_m0", device, size=224),
    ]


@feature
def relative(device, tiny):
    made = [
        L.resize_rel_pos_bias_table_simple(torch.rand(27 * 27, 4, device=device), (15, 15), (841, 4)),
    ]
    made.append(run("samvit_base_patch16", device, img_size=64, depth=2, embed_dim=48, num_heads=3))
    return made


@feature
def naflex(device, tiny):
    kinds = {"pos_embed": ["learned", "factorized"]}
    made = []
    for kind in kinds["pos_embed"]:
        model = timm.models.NaFlexVit(
            timm.models.NaFlexVitCfg(patch_size=8, embed_dim=48, depth=1, num_heads=3, pos_embed=kind),
            num_classes=5,
        )
        model = model.to(device).eval()
        coordinates = torch.stack(
            torch.meshgrid(torch.arange(4, device=device), torch.arange(6, device=device), indexing="ij"), -1
        ).view(1, 24, 2)
        patches = torch.rand(2, 24, 8 * 8 * 3, device=device)
        batch = {
            "patches": patches,
            "patch_coord": coordinates.expand(2, -1, -1).contiguous(),
            "patch_valid": torch.ones(2, 24, dtype=torch.bool, device=device),
        }
        with torch.no_grad():
            made.append(model(batch))
    return made


@feature
def convolutional(device, tiny):
    return [
        run("resnet10t", device),
        run("resnetblur50", device, layers=(1, 1, 1, 1)),
        run("mobilenetv3_small_050", device),
        run("efficientnet_b0", device),
        run("ghostnetv3_050", device),
        run("repvgg_a0", device),
        run("csatv2", device, size=512) if not tiny else "too large",
        run("shvit_s1", device),
    ]


@feature
def fused(device, tiny):
    """Models made ready for inference on the device: batch norms folded into convolutions."""
    made = []
    for name in (
        "repghostnet_050",
        "ghostnetv3_050",
        "fastvit_t8",
        "mobileone_s0",
        "shvit_s1",
        "repvit_m0_9",
    ):
        model = timm.create_model(name, num_classes=5).to(device).eval()
        ready = utils.reparameterize_model(model)
        with torch.no_grad():
            made.append(ready(picture(device, tiny)))
    return made


@feature
def shvit_fused(device, tiny):
    model = timm.create_model("shvit_s1", num_classes=5).to(device).eval()
    model.fuse() if hasattr(model, "fuse") else None
    with torch.no_grad():
        return model(picture(device, tiny))


@feature
def optimizers(device, tiny):
    names = "adafactor adafactorbv adopt lamb lars madgrad adamp adan lion nadamw novograd sgdp".split()
    names += "adabelief radabelief adahessian kron laprop mars muon adamuon".split()
    made = {}
    makers = {name: partial(optim.create_optimizer_v2, opt=name, weight_decay=0.01) for name in names}
    makers["nvnovograd"] = lambda model, lr: optim.NvNovoGrad(model.parameters(), lr=lr)
    for name, make in makers.items():
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 3))
        model = model.to(device)
        chosen = make(model, lr=1e-2)
        second = getattr(chosen, "is_second_order", False)
        for _ in range(3):
            chosen.zero_grad()
            model(torch.ones(4, 8, device=device)).square().mean().backward(create_graph=second)
            chosen.step()
        made[name] = [parameter.detach() for parameter in model.parameters()]
    return made


@feature
def mixed(device, tiny):
    import numpy

    numpy.random.seed(0)
    made = []
    for mode in ("batch", "pair", "elem"):
        mixup = D.Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, mode=mode, label_smoothing=0.1, num_classes=7)
        x = torch.rand(4, 3, 32, 32, device=device)
        made.append(mixup(x, torch.randint(0, 7, (4,), device=device)))
    return made


@feature
def erased(device, tiny):
    x = torch.rand(4, 3, 32, 32, device=device)
    made = []
    for mode in ("const", "rand", "pixel"):
        made.append(D.random_erasing.RandomErasing(1.0, mode=mode, device=str(device))(x.clone()))
    drop = L.PatchDropout(0.5).to(device)
    return [*made, drop(torch.rand(2, 17, 8, device=device))]


@feature
def loaded(device, tiny):
    class Squares(torch.utils.data.Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            return torch.full((3, 16, 16), index * 10, dtype=torch.uint8), index

    dataset = Squares()
    plain = torch.utils.data.DataLoader(dataset, 4, pin_memory=device.type == "cuda")
    loader = D.loader.PrefetchLoader(plain, device=device, re_prob=0.5, re_mode="const")
    return [[x.clone(), y.clone()] for x, y in loader]


@feature
def objectives(device, tiny):
    x = torch.randn(6, 5, device=device)
    target = torch.randint(0, 5, (6,), device=device)
    soft = torch.rand(6, 5, device=device)
    return [
        losses.LabelSmoothingCrossEntropy(0.1)(x, target),
        losses.SoftTargetCrossEntropy()(x, soft),
        losses.BinaryCrossEntropy(0.1)(x, target),
        losses.AsymmetricLossMultiLabel()(x, (soft > 0.5).float()),
        losses.JsdCrossEntropy()(x, target[:2]),
        utils.accuracy(x, target, topk=(1, 3)),
    ]


@feature
def layered(device, tiny):
    from timm.layers.attention_pool2d import AttentionPool2d, RotAttentionPool2d
    from timm.layers.bottleneck_attn import BottleneckAttn
    from timm.layers.halo_attn import HaloAttn
    from timm.layers.lambda_layer import LambdaLayer
    from timm.layers.other_pool import LsePlus1d, LsePlus2d
    from timm.layers.split_attn import SplitAttn

    x = torch.rand(2, 16, 12, 12, device=device)
    names = {
        "blur": L.BlurPool2d(16),
        "lse": LsePlus2d(),
        "lse1": LsePlus1d(),
        "eca": L.EcaModule(16),
        "halo": HaloAttn(16, num_heads=2, block_size=4, halo_size=1),
        "lambda": LambdaLayer(16, feat_size=(12, 12), num_heads=2),
        "bottleneck": BottleneckAttn(16, feat_size=(12, 12), num_heads=2),
        "attention": AttentionPool2d(16, feat_size=12, num_heads=2),
        "rotary": RotAttentionPool2d(16, ref_feat_size=12, num_heads=2),
        "split": SplitAttn(16),
        "drop": L.DropBlock2d(0.2, 3),
        "scheduled": L.DropPath(0.3),
    }
    made = {}
    for name, layer in names.items():
        value = x.flatten(2).transpose(1, 2) if name == "lse1" else x
        made[name] = layer.to(device)(value)
    return made


@feature
def trained(device, tiny):
    """Steps of training with an average of the weights, gradient clipping and a schedule."""
    model = timm.create_model("resnet10t", num_classes=5).to(device)
    chosen = optim.create_optimizer_v2(model, opt="adamw", lr=1e-3)
    average = utils.ModelEmaV3(model, decay=0.9, use_warmup=True)
    schedule, _ = scheduler.create_scheduler_v2(chosen, num_epochs=3)
    kept = []
    for step in range(3):
        loss = model(picture(device, tiny)).square().mean()
        chosen.zero_grad()
        loss.backward()
        utils.dispatch_clip_grad(model.parameters(), 1.0, mode="agc")
        chosen.step()
        average.update(model, step=step)
        schedule.step_update(step)
        kept.append(loss.detach())
    # Gradients of convolutions are summed in an order that differs from run to run: the first loss is enough.
    return kept[0]


@feature
def distilled(device, tiny):
    from timm.task import LogitDistillationTask
    from timm.task.distillation import DistillationTeacher

    taught = timm.create_model("resnet10t", num_classes=5)
    teacher = DistillationTeacher(taught, num_classes=5, in_chans=3, device=device)
    student = timm.create_model("mobilenetv3_small_050", num_classes=5).to(device)
    teacher = teacher.to(device)
    task = LogitDistillationTask(student, teacher, device=device)
    return task(picture(device, tiny), torch.randint(0, 5, (2,), device=device))["loss"].detach()


@feature
def features(device, tiny):
    model = timm.create_model("resnet10t", features_only=True).to(device).eval()
    vit = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2).to(device).eval()
    with torch.no_grad():
        return [model(picture(device, tiny)), vit.forward_intermediates(picture(device, tiny), indices=1)]


if __name__ == "__main__":
    main(__doc__)
