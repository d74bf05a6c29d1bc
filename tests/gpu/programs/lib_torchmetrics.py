# mypy: ignore-errors
"""torchmetrics on the GPU: metrics of every family, from inputs that lie there already."""

from __future__ import annotations

import torch
import torchmetrics
import torchmetrics.functional as F
from driving import feature, main
from torchmetrics import classification as C
from torchmetrics import clustering, nominal, regression, retrieval
from torchmetrics import image as I


def classes(device, tiny, number=5):
    count = 64 if tiny else 2048
    logits = torch.randn(count, number, device=device)
    target = torch.randint(0, number, (count,), device=device)
    return logits.softmax(dim=-1), target


def twice(metric, device, *inputs, **more):
    """Two updates, one result, as a training loop asks for it."""
    metric = metric.to(device)
    for _ in range(2):
        metric.update(*inputs, **more)
    return metric.compute()


@feature
def aggregation(device, tiny):
    made = []
    for kind in ("MeanMetric", "SumMetric", "MaxMetric", "MinMetric", "CatMetric"):
        metric = getattr(torchmetrics, kind)().to(device)
        for value in (1.5, torch.tensor(2.0, device=device), torch.rand(4, device=device)):
            metric.update(value)
        made.append(metric.compute())
    weighted = torchmetrics.MeanMetric().to(device)
    weighted.update(torch.rand(6, device=device), weight=2.0)
    weighted.update(3.0, weight=torch.tensor(0.5, device=device))
    return [*made, weighted.compute()]


@feature
def multiclass(device, tiny):
    probs, target = classes(device, tiny)
    metrics = [
        C.MulticlassAccuracy(5),
        C.MulticlassF1Score(5),
        C.MulticlassConfusionMatrix(5),
        C.MulticlassAUROC(5),
        C.MulticlassAUROC(5, thresholds=20),
        C.MulticlassAveragePrecision(5),
        C.MulticlassCalibrationError(5),
        C.MulticlassCohenKappa(5),
        C.MulticlassHingeLoss(5),
        C.MulticlassJaccardIndex(5),
        C.MulticlassMatthewsCorrCoef(5),
        C.MulticlassPrecisionAtFixedRecall(5, min_recall=0.5),
        C.MulticlassRecallAtFixedPrecision(5, min_precision=0.3),
        C.MulticlassSensitivityAtSpecificity(5, min_specificity=0.5),
        C.MulticlassSpecificityAtSensitivity(5, min_sensitivity=0.5),
        C.MulticlassROC(5, thresholds=[0.1, 0.5, 0.9]),
    ]
    exact = F.classification.multiclass_exact_match(
        target.view(-1, 4), target.flip(0).view(-1, 4), num_classes=5, multidim_average="samplewise"
    )
    return [twice(metric, device, probs, target) for metric in metrics] + [exact]


@feature
def binary(device, tiny):
    probs = torch.rand(64 if tiny else 2048, device=device)
    target = (torch.rand_like(probs) > 0.5).long()
    metrics = [
        C.BinaryAUROC(),
        C.BinaryAUROC(max_fpr=0.4),
        C.BinaryAUROC(thresholds=16),
        C.BinaryAveragePrecision(),
        C.BinaryHingeLoss(),
        C.BinaryMatthewsCorrCoef(),
        C.BinaryLogAUC(),
        C.BinaryPrecisionAtFixedRecall(min_recall=0.5),
        C.BinaryRecallAtFixedPrecision(min_precision=0.5),
        C.BinarySensitivityAtSpecificity(min_specificity=0.5),
        C.BinarySpecificityAtSensitivity(min_sensitivity=0.5),
        C.BinaryPrecisionRecallCurve(thresholds=[0.25, 0.5, 0.75]),
        C.BinaryCalibrationError(),
    ]
    ones = torch.ones_like(target)
    return [twice(metric, device, probs, target) for metric in metrics] + [
        F.classification.binary_matthews_corrcoef(ones, ones),
        F.classification.binary_matthews_corrcoef(ones, 1 - ones),
    ]


@feature
def multilabel(device, tiny):
    probs = torch.rand(32 if tiny else 512, 4, device=device)
    target = (torch.rand_like(probs) > 0.5).long()
    metrics = [
        C.MultilabelRankingAveragePrecision(4),
        C.MultilabelRankingLoss(4),
        C.MultilabelCoverageError(4),
        C.MultilabelExactMatch(4),
        C.MultilabelAUROC(4),
        C.MultilabelRecallAtFixedPrecision(4, min_precision=0.4),
    ]
    deep = F.classification.multilabel_exact_match(
        (torch.rand(8, 4, 6, device=device) > 0.5).long(),
        (torch.rand(8, 4, 6, device=device) > 0.5).long(),
        num_labels=4,
        multidim_average="samplewise",
    )
    return [twice(metric, device, probs, target) for metric in metrics] + [deep]


@feature
def regressions(device, tiny):
    preds = torch.rand(48 if tiny else 512, device=device)
    target = preds + 0.1 * torch.rand_like(preds)
    metrics = [
        regression.KendallRankCorrCoef(t_test=True, variant="b"),
        regression.KendallRankCorrCoef(t_test=True, variant="c"),
        regression.LogCoshError(),
        regression.PearsonCorrCoef(),
        regression.SpearmanCorrCoef(),
        regression.R2Score(),
        regression.ExplainedVariance(),
        regression.TweedieDevianceScore(power=0),
        regression.TweedieDevianceScore(power=1),
        regression.TweedieDevianceScore(power=1.5),
        regression.MeanAbsolutePercentageError(),
        regression.ConcordanceCorrCoef(),
        regression.CriticalSuccessIndex(0.5),
    ]
    return [twice(metric, device, preds, target) for metric in metrics]


@feature
def retrievals(device, tiny):
    count = 60 if tiny else 600
    indexes = torch.arange(count, device=device) // 10
    preds = torch.rand(count, device=device)
    target = torch.rand(count, device=device) > 0.6
    kinds = "MAP MRR Precision Recall FallOut HitRate NormalizedDCG RPrecision AUROC".split()
    made = [
        twice(getattr(retrieval, f"Retrieval{kind}")(), device, preds, target, indexes=indexes)
        for kind in kinds
    ]
    curve = retrieval.RetrievalPrecisionRecallCurve(max_k=5)
    fixed = retrieval.RetrievalRecallAtFixedPrecision(min_precision=0.2, max_k=5)
    none = retrieval.RetrievalMAP(empty_target_action="neg")
    made += [twice(metric, device, preds, target, indexes=indexes) for metric in (curve, fixed)]
    return [*made, twice(none, device, preds, torch.zeros_like(target), indexes=indexes)]


@feature
def images(device, tiny):
    size = 192 if tiny else 256
    preds = torch.rand(2, 3, size, size, device=device)
    target = preds * 0.75 + 0.1
    metrics = [
        I.PeakSignalNoiseRatio(data_range=1.0),
        I.PeakSignalNoiseRatio(data_range=1.0, reduction="elementwise_mean", dim=[1, 2, 3]),
        I.PeakSignalNoiseRatio(data_range=(0.0, 1.0)),
        I.StructuralSimilarityIndexMeasure(data_range=1.0),
        I.StructuralSimilarityIndexMeasure(data_range=1.0, gaussian_kernel=False, kernel_size=7),
        I.MultiScaleStructuralSimilarityIndexMeasure(data_range=1.0),
        I.UniversalImageQualityIndex(),
        I.SpectralAngleMapper(),
        I.ErrorRelativeGlobalDimensionlessSynthesis(),
        I.RootMeanSquaredErrorUsingSlidingWindow(),
        I.RelativeAverageSpectralError(),
        I.TotalVariation(),
        I.SpatialCorrelationCoefficient(),
        I.VisualInformationFidelity(),
    ]
    made = []
    for metric in metrics:
        inputs = (preds,) if isinstance(metric, I.TotalVariation) else (preds, target)
        made.append(twice(metric, device, *inputs))
    blocked = I.PeakSignalNoiseRatioWithBlockedEffect(data_range=1.0)
    return [*made, twice(blocked, device, preds[:, :1], target[:, :1])]


@feature
def clusterings(device, tiny):
    count = 60 if tiny else 300
    preds = torch.randint(0, 4, (count,), device=device)
    target = torch.randint(0, 4, (count,), device=device)
    data = torch.randn(count, 6, device=device)
    kinds = (
        "AdjustedMutualInfoScore AdjustedRandScore CompletenessScore FowlkesMallowsIndex HomogeneityScore "
        "MutualInfoScore NormalizedMutualInfoScore RandScore VMeasureScore"
    ).split()
    made = [twice(getattr(clustering, kind)(), device, preds, target) for kind in kinds]
    for kind in ("CalinskiHarabaszScore", "DaviesBouldinScore", "DunnIndex"):
        made.append(twice(getattr(clustering, kind)(), device, data, target))
    return made


@feature
def nominals(device, tiny):
    preds = torch.randint(0, 4, (80 if tiny else 800,), device=device)
    target = (preds + torch.randint(0, 2, preds.shape, device=device)) % 4
    made = [twice(nominal.CramersV(4), device, preds, target)]
    made.append(twice(nominal.CramersV(4, bias_correction=False), device, preds, target))
    made.append(twice(nominal.TschuprowsT(4), device, preds, target))
    made.append(twice(nominal.TheilsU(4), device, preds, target))
    made.append(twice(nominal.PearsonsContingencyCoefficient(4), device, preds, target))
    ratings = torch.randint(0, 10, (30, 5), device=device)
    return [*made, twice(nominal.FleissKappa(mode="counts"), device, ratings)]


@feature
def boxes(device, tiny):
    corner = torch.rand(12, 2, device=device) * 80
    first = torch.cat([corner, corner + 10 + torch.rand(12, 2, device=device) * 20], dim=1)
    second = first + torch.randn(12, 4, device=device)
    scores = torch.rand(12, device=device)
    labels = torch.randint(0, 3, (12,), device=device)
    preds = [{"boxes": second, "scores": scores, "labels": labels}]
    target = [{"boxes": first, "labels": labels}]
    from torchmetrics import detection

    made = []
    for kind in ("IntersectionOverUnion", "GeneralizedIntersectionOverUnion"):
        for more in ({}, {"class_metrics": True}):
            made.append(twice(getattr(detection, kind)(**more), device, preds, target))
    for kind in ("distance_intersection_over_union", "complete_intersection_over_union"):
        made.append(getattr(F.detection, kind)(second, first, iou_threshold=0.5))
    return made


@feature
def panoptic(device, tiny):
    from torchmetrics.detection import ModifiedPanopticQuality, PanopticQuality

    things = torch.randint(0, 3, (2, 24, 24, 1), device=device)
    preds = torch.cat([things, torch.randint(0, 3, things.shape, device=device)], dim=-1)
    target = preds.flip(1)
    made = []
    for kind in (PanopticQuality, ModifiedPanopticQuality):
        metric = kind(things={0, 1}, stuffs={2}, allow_unknown_preds_category=True)
        made.append(twice(metric, device, preds, target))
    return made


@feature
def texts(device, tiny):
    from torchmetrics import text

    preds = ["the cat is on the mat", "a dog ran"]
    target = [["there is a cat on the mat", "a cat is on the mat"], ["the dog ran away"]]
    single = [lines[0] for lines in target]
    made = [
        twice(text.BLEUScore(), device, preds, target),
        twice(text.SacreBLEUScore(), device, preds, target),
        twice(text.CHRFScore(), device, preds, target),
        twice(text.WordErrorRate(), device, preds, single),
        twice(text.CharErrorRate(), device, preds, single),
        twice(text.EditDistance(), device, preds, single),
        twice(text.TranslationEditRate(), device, preds, target),
        twice(text.BLEUScore(weights=[0.6, 0.4], n_gram=2), device, preds, target),
    ]
    logits = torch.randn(2, 8, 20, device=device)
    labels = torch.randint(0, 20, (2, 8), device=device)
    return [*made, twice(text.Perplexity(ignore_index=3), device, logits, labels)]


@feature
def audio(device, tiny):
    from torchmetrics import audio as A

    preds, target = torch.randn(3, 2, 800, device=device), torch.randn(3, 2, 800, device=device)
    scale = F.audio.scale_invariant_signal_noise_ratio
    made = [twice(A.PermutationInvariantTraining(scale, eval_func="max"), device, preds, target)]
    four = torch.randn(2, 4, 400, device=device)
    made.append(F.audio.permutation_invariant_training(four, four.flip(1), scale, eval_func="max"))
    for kind in ("SignalNoiseRatio", "ScaleInvariantSignalDistortionRatio", "SignalDistortionRatio"):
        made.append(twice(getattr(A, kind)(), device, preds, target))
    return made


@feature
def wrappers(device, tiny):
    probs, target = classes(device, tiny)
    boot = torchmetrics.BootStrapper(C.MulticlassAccuracy(5), num_bootstraps=3, raw=True)
    poisson = torchmetrics.BootStrapper(
        C.MulticlassAccuracy(5), num_bootstraps=3, sampling_strategy="multinomial"
    )
    made = [twice(boot, device, probs, target), twice(poisson, device, probs, target)]
    outputs = torchmetrics.MultioutputWrapper(regression.R2Score(), 3)
    data = torch.randn(40, 3, device=device)
    made.append(twice(outputs, device, data, data + 0.1))
    tracked = torchmetrics.MinMaxMetric(C.MulticlassAccuracy(5))
    made.append(twice(tracked, device, probs, target))
    collection = torchmetrics.MetricCollection([C.MulticlassF1Score(5), C.MulticlassPrecision(5)])
    return [*made, twice(collection, device, probs, target)]


if __name__ == "__main__":
    main(__doc__)
