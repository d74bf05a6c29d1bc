# mypy: ignore-errors
"""torchvision on the GPU: transforms of tensors, boxes and masks there, detection with random weights, operators."""

from __future__ import annotations

import torch
from driving import feature, main
from torchvision import models, ops, tv_tensors, utils
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F


def sample(device, size=64):
    """An image with boxes, labels and a mask."""
    boxes = torch.tensor([[5.0, 6.0, 30.0, 40.0], [20.0, 10.0, 50.0, 60.0]]).to(device)
    return {
        "image": tv_tensors.Image(torch.rand(3, size, size, device=device)),
        "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(size, size)),
        "labels": torch.tensor([1, 2]).to(device),
        "mask": tv_tensors.Mask(torch.zeros(2, size, size, dtype=torch.uint8, device=device)),
    }


def plain(value):
    """Without the subclasses, whose metadata is none of our concern."""
    if isinstance(value, torch.Tensor):
        return value.as_subclass(torch.Tensor)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


@feature
def geometry(device, tiny):
    steps = [
        v2.Resize((40, 48)),
        v2.RandomResizedCrop(32),
        v2.RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 10),
        v2.RandomRotation(30, expand=True),
        v2.RandomPerspective(0.4, p=1.0),
        v2.ElasticTransform(20.0),
        v2.Pad([2, 3, 4, 5], fill=0.5),
        v2.RandomCrop(40, padding=4),
        v2.CenterCrop(50),
        v2.RandomHorizontalFlip(1.0),
        v2.RandomVerticalFlip(1.0),
        v2.RandomZoomOut(p=1.0),
        v2.RandomIoUCrop(),
        v2.ScaleJitter((48, 48)),
        v2.RandomShortestSize(30),
    ]
    return {type(step).__name__ + str(i): plain(step(sample(device))) for i, step in enumerate(steps)}


@feature
def filled(device, tiny):
    image = torch.rand(3, 40, 40, device=device)
    return [
        F.pad(image, [3, 2, 1, 4], fill=[0.1, 0.2, 0.3]),
        F.affine(image, 10.0, [2, 3], 1.1, [5.0, 2.0], fill=[0.1, 0.2, 0.3]),
        F.rotate(image, 25.0, expand=True, fill=[0.3, 0.2, 0.1]),
        F.perspective(image, [[0, 0], [39, 0], [39, 39], [0, 39]], [[2, 3], [37, 1], [35, 38], [3, 36]]),
        F.pad(image, [3, 2, 1, 4], padding_mode="symmetric"),
        F.elastic(image, torch.rand(1, 40, 40, 2, device=device) * 0.1),
    ]


@feature
def boxed(device, tiny):
    data = torch.tensor([[5.0, 6.0, 20.0, 30.0]]).to(device)
    made = []
    for kind in ("XYXY", "XYWH", "CXCYWH"):
        boxes = tv_tensors.BoundingBoxes(data, format=kind, canvas_size=(64, 64))
        for call in (
            lambda b: F.resize(b, [32, 40]),
            lambda b: F.crop(b, 2, 3, 40, 40),
            lambda b: F.pad(b, [1, 2]),
            F.horizontal_flip,
            F.vertical_flip,
            lambda b: F.affine(b, 15.0, [1, 2], 1.2, [3.0, 1.0]),
            lambda b: F.rotate(b, 30.0, expand=True),
            F.clamp_bounding_boxes,
        ):
            made.append(plain(call(boxes)))
    return made


@feature
def keypoints(device, tiny):
    points = tv_tensors.KeyPoints(torch.tensor([[4.0, 5.0], [20.0, 30.0]]).to(device), canvas_size=(64, 64))
    calls = [
        lambda p: F.resize(p, [32, 40]),
        lambda p: F.crop(p, 2, 3, 40, 40),
        lambda p: F.pad(p, [1, 2]),
        F.horizontal_flip,
        lambda p: F.affine(p, 15.0, [1, 2], 1.2, [3.0, 1.0]),
        lambda p: F.rotate(p, 30.0, expand=True),
        lambda p: F.elastic(p, torch.zeros(1, 64, 64, 2, device=p.device)),
    ]
    return [plain(call(points)) for call in calls]


@feature
def coloured(device, tiny):
    image = torch.rand(2, 3, 32, 32, device=device)
    raw = (image * 255).to(torch.uint8)
    made = [
        F.normalize(image, [0.4, 0.5, 0.6], [0.2, 0.2, 0.2]),
        F.adjust_sharpness(image, 1.5),
        F.adjust_hue(image, 0.2),
        F.adjust_contrast(image, 1.3),
        F.adjust_saturation(image, 0.7),
        F.permute_channels(image, [2, 0, 1]),
        F.gaussian_blur(image, [5, 5], [1.0, 1.0]),
        F.equalize(raw),
        F.autocontrast(raw),
        F.posterize(raw, 3),
        F.solarize(raw, 100),
        F.to_dtype(raw, torch.float32, scale=True),
    ]
    for step in (v2.ColorJitter(0.3, 0.3, 0.3, 0.1), v2.GaussianNoise(), v2.RandomPhotometricDistort(p=1.0)):
        made.append(step(image))
    return made


@feature
def policies(device, tiny):
    raw = (torch.rand(3, 48, 48, device=device) * 255).to(torch.uint8)
    steps = [v2.AutoAugment(), v2.RandAugment(4), v2.TrivialAugmentWide(), v2.AugMix(all_ops=False)]
    return [step(raw) for step in steps for _ in range(3)]


@feature
def first_version(device, tiny):
    from torchvision.transforms import functional as old

    image = torch.rand(3, 40, 40, device=device)
    corners = [[0, 0], [39, 0], [39, 39], [0, 39]]
    return [
        old.normalize(image, [0.4, 0.5, 0.6], [0.2, 0.2, 0.2]),
        old.affine(image, 10.0, [2, 3], 1.1, [5.0, 2.0]),
        old.rotate(image, 25.0, expand=True, fill=[0.1, 0.2, 0.3]),
        old.perspective(image, corners, [[2, 3], [37, 1], [35, 38], [3, 36]]),
        old.adjust_sharpness(image, 1.5),
        old.pad(image, [3, 2, 1, 4], padding_mode="symmetric"),
        old.elastic_transform(image, torch.zeros(1, 40, 40, 2, device=device)),
    ]


@feature
def mixes(device, tiny):
    images = torch.rand(4, 3, 32, 32, device=device)
    labels = torch.randint(0, 5, (4,), device=device)
    return [v2.MixUp(num_classes=5)(images, labels), v2.CutMix(num_classes=5)(images, labels)]


@feature
def operators(device, tiny):
    corner = torch.rand(40, 2, device=device) * 40
    boxes = torch.cat([corner, corner + 5 + torch.rand(40, 2, device=device) * 20], dim=1)
    scores = torch.rand(40, device=device)
    groups = torch.randint(0, 3, (40,), device=device)
    features = torch.rand(2, 8, 16, 16, device=device)
    rois = torch.cat([torch.zeros(40, 1, device=device), boxes], dim=1)
    return [
        ops.nms(boxes, scores, 0.5),
        ops.batched_nms(boxes, scores, groups, 0.5),
        ops.boxes._batched_nms_coordinate_trick(boxes, scores, groups, 0.5),
        ops.clip_boxes_to_image(boxes, (40, 44)),
        ops.remove_small_boxes(boxes, 8.0),
        ops.box_iou(boxes, boxes),
        ops.generalized_box_iou(boxes, boxes),
        ops.roi_align(features, rois, 4, 0.25),
        ops.roi_pool(features, rois, 4, 0.25),
        ops.sigmoid_focal_loss(torch.randn(6, device=device), torch.ones(6, device=device)),
        ops.masks_to_boxes(torch.ones(3, 10, 10, device=device)),
        ops.stochastic_depth(features, 0.3, "row"),
        ops.drop_block2d(features, 0.2, 3),
    ]


def detect(make, device, **more):
    """Boxes that a detector with random weights finds, and its losses."""
    torch.manual_seed(0)
    model = make(weights=None, weights_backbone=None, num_classes=4, min_size=96, max_size=128, **more)
    model = model.to(device)
    images = [torch.rand(3, 80, 90, device=device), torch.rand(3, 90, 80, device=device)]
    targets = []
    for _ in images:
        target = {
            "boxes": torch.tensor([[5.0, 6.0, 40.0, 50.0], [20.0, 10.0, 70.0, 60.0]]).to(device),
            "labels": torch.tensor([1, 2]).to(device),
        }
        if "keypoint" in make.__name__:
            target["keypoints"] = torch.rand(2, 17, 3, device=device) * 40
        if "mask" in make.__name__:
            target["masks"] = torch.ones(2, 80, 90, dtype=torch.uint8, device=device)
        targets.append(target)
    if "mask" in make.__name__:
        targets[1]["masks"] = torch.ones(2, 90, 80, dtype=torch.uint8, device=device)
    losses = {name: value.detach() for name, value in model(images, targets).items()}
    model.eval()
    with torch.no_grad():
        return [losses, model(images)]


@feature
def faster_rcnn(device, tiny):
    return detect(models.detection.fasterrcnn_mobilenet_v3_large_320_fpn, device)


@feature
def mask_rcnn(device, tiny):
    return detect(models.detection.maskrcnn_resnet50_fpn, device)


@feature
def keypoint_rcnn(device, tiny):
    return detect(models.detection.keypointrcnn_resnet50_fpn, device)


@feature
def retinanet(device, tiny):
    return detect(models.detection.retinanet_resnet50_fpn, device)


@feature
def fcos(device, tiny):
    return detect(models.detection.fcos_resnet50_fpn, device)


@feature
def ssd(device, tiny):
    torch.manual_seed(0)
    model = models.detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4
    ).to(device)
    images = [torch.rand(3, 80, 90, device=device) for _ in range(2)]
    boxes = torch.tensor([[5.0, 6.0, 40.0, 50.0]]).to(device)
    targets = [{"boxes": boxes, "labels": torch.tensor([1]).to(device)} for _ in images]
    losses = {name: value.detach() for name, value in model(images, targets).items()}
    model.eval()
    with torch.no_grad():
        return [losses, model(images)]


@feature
def classifiers(device, tiny):
    made = []
    for name in (
        "resnet18",
        "mobilenet_v3_small",
        "shufflenet_v2_x0_5",
        "vit_b_16",
        "swin_t",
        "convnext_tiny",
    ):
        if tiny and name in ("vit_b_16", "swin_t", "convnext_tiny"):
            continue
        model = getattr(models, name)(weights=None).to(device).eval()
        with torch.no_grad():
            made.append(model(torch.rand(1, 3, 224, 224, device=device)))
    return made


@feature
def flow(device, tiny):
    model = models.optical_flow.raft_small(weights=None).to(device).eval()
    first, second = torch.rand(2, 1, 3, 128, 128, device=device)
    with torch.no_grad():
        flows = model(first, second, num_flow_updates=2)
    return [flows[-1], utils.flow_to_image(flows[-1])]


@feature
def video(device, tiny):
    if tiny:
        return "too large"
    model = models.video.mvit_v2_s(weights=None).to(device).eval()
    with torch.no_grad():
        return model(torch.rand(1, 3, 16, 224, 224, device=device))


@feature
def drawn(device, tiny):
    image = (torch.rand(3, 40, 40, device=device) * 255).to(torch.uint8)
    masks = torch.zeros(2, 40, 40, dtype=torch.bool, device=device)
    masks[0, 5:20, 5:20] = True
    return [
        utils.draw_segmentation_masks(image, masks, colors=["red", "blue"]),
        utils.make_grid(torch.rand(4, 3, 8, 8, device=device)),
    ]


if __name__ == "__main__":
    main(__doc__)
