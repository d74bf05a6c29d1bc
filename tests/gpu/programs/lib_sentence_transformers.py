# mypy: ignore-errors
"""sentence-transformers on the GPU: a tiny model with random weights, encoding, losses, search, mining."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import torch
from driving import feature, main
from sentence_transformers import CrossEncoder, SentenceTransformer, util
from sentence_transformers import models as M
from sentence_transformers.cross_encoder import losses as CL
from sentence_transformers.sentence_transformer import losses as SL
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizer

WORDS = "a the cat dog sits on mat runs over hill fast slow red blue big small bird sings in tree".split()
SENTENCES = [
    "a cat sits on the mat",
    "the dog runs over the hill",
    "a small bird sings in a tree",
    "the big red cat runs fast",
    "a slow blue dog sits",
    "the bird runs",
]


@cache
def folder() -> Path:
    """A tokenizer and two models with random weights, as a download would leave them."""
    made = Path(tempfile.mkdtemp(prefix="h2dlint-model-"))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (made / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
        num_labels=1,
    )
    torch.manual_seed(0)
    tokenizer = BertTokenizer(str(made / "vocab.txt"))
    for name, kind in (("encoder", BertModel), ("cross", BertForSequenceClassification)):
        kind(config).save_pretrained(made / name)
        tokenizer.save_pretrained(made / name)
    return made


def encoder(device, mode="mean"):
    transformer = M.Transformer(str(folder() / "encoder"))
    pooling = M.Pooling(32, pooling_mode=mode)
    return SentenceTransformer(modules=[transformer, pooling, M.Normalize()], device=str(device))


def cross(device):
    return CrossEncoder(str(folder() / "cross"), device=str(device), max_length=32)


def tokens(model, sentences, device):
    features = model.tokenize(sentences)
    return {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in features.items()}


@feature
def encoded(device, tiny):
    made = []
    for mode in ("mean", "max", "cls", "weightedmean", "lasttoken"):
        model = encoder(device, mode)
        made.append(model.encode(SENTENCES, convert_to_tensor=True, batch_size=2))
        made.append(model.encode(SENTENCES[:2], output_value="token_embeddings"))
    made.append(model.encode(SENTENCES, precision="int8", convert_to_numpy=True))
    return [*made, model.similarity(made[0], made[0])]


@feature
def searched(device, tiny):
    queries, corpus = (torch.randn(n, 16, device=device) for n in (5, 60))
    found = util.semantic_search(queries, corpus, top_k=3, corpus_chunk_size=25)
    groups = util.community_detection(
        torch.nn.functional.normalize(corpus), threshold=0.3, min_community_size=2
    )
    pairs = util.paraphrase_mining_embeddings(corpus, top_k=4)
    return [
        [[hit["corpus_id"] for hit in hits] for hits in found],
        groups,
        [pair[1:] for pair in pairs[:10]],
    ]


@feature
def similar(device, tiny):
    first, second = torch.randn(4, 8, device=device), torch.randn(5, 8, device=device)
    names = "cos_sim dot_score manhattan_sim euclidean_sim"
    made = [getattr(util, name)(first, second) for name in names.split()]
    made += [getattr(util, f"pairwise_{n}")(first, first) for n in names.split()]
    return [*made, util.truncate_embeddings(first, 4), util.normalize_embeddings(first)]


def loss_of(loss, model, groups, labels, device):
    features = [tokens(model, group, device) for group in groups]
    # Gradients are sums in an order that differs from run to run; the loss is what is compared.
    value = loss.to(device)(features, labels)
    return value.detach() if isinstance(value, torch.Tensor) else value


@feature
def losses(device, tiny):
    model = encoder(device)
    model.train(False)
    labels = torch.tensor([0, 1, 0, 1, 0, 1]).to(device)
    scores = torch.rand(6, device=device)
    pair, triple = [SENTENCES, SENTENCES[::-1]], [SENTENCES, SENTENCES[::-1], SENTENCES[1:] + SENTENCES[:1]]
    cases = [
        (SL.MultipleNegativesRankingLoss, pair, None),
        (SL.CachedMultipleNegativesRankingLoss, pair, None),
        (SL.MultipleNegativesSymmetricRankingLoss, pair, None),
        (SL.CosineSimilarityLoss, pair, scores),
        (SL.CoSENTLoss, pair, scores),
        (SL.AnglELoss, pair, scores),
        (SL.ContrastiveLoss, pair, labels),
        (SL.OnlineContrastiveLoss, pair, labels),
        (SL.TripletLoss, triple, None),
        (SL.BatchAllTripletLoss, [SENTENCES], labels),
        (SL.BatchHardTripletLoss, [SENTENCES], labels),
        (SL.BatchSemiHardTripletLoss, [SENTENCES], labels),
        (SL.BatchHardSoftMarginTripletLoss, [SENTENCES], labels),
        (SL.ContrastiveTensionLoss, pair, labels),
        (SL.GISTEmbedLoss, pair, None),
        (SL.MegaBatchMarginLoss, pair, None),
    ]
    made = {}
    for kind, groups, wanted in cases:
        more = {"guide": encoder(device)} if kind is SL.GISTEmbedLoss else {}
        made[kind.__name__] = loss_of(kind(model, **more), model, groups, wanted, device)
    nested = SL.MatryoshkaLoss(model, SL.MultipleNegativesRankingLoss(model), [32, 16])
    made["MatryoshkaLoss"] = loss_of(nested, model, pair, None, device)
    return made


@feature
def crossed(device, tiny):
    model = cross(device)
    pairs = list(zip(SENTENCES, SENTENCES[::-1], strict=True))
    ranked = model.rank(SENTENCES[0], SENTENCES[1:], top_k=3)
    return [
        model.predict(pairs, convert_to_tensor=True, batch_size=2),
        [item["corpus_id"] for item in ranked],
    ]


@feature
def ranking_losses(device, tiny):
    model = cross(device)
    queries = SENTENCES[:2]
    documents = [SENTENCES[2:5], SENTENCES[3:6]]
    labels = [torch.tensor([1.0, 0.0, 0.5]).to(device), torch.tensor([0.0, 1.0, 0.0]).to(device)]
    made = {}
    for name in ("LambdaLoss", "ListNetLoss", "ListMLELoss", "PListMLELoss", "RankNetLoss", "ADRMSELoss"):
        if not hasattr(CL, name):
            continue
        loss = getattr(CL, name)(model).to(device)
        made[name] = loss((queries, documents), labels).detach()
    plain = CL.BinaryCrossEntropyLoss(model).to(device)
    made["binary"] = plain((SENTENCES[:2], SENTENCES[2:4]), torch.tensor([0.0, 1.0]).to(device)).detach()
    return made


@feature
def evaluated(device, tiny):
    from sentence_transformers.evaluation import (
        EmbeddingSimilarityEvaluator,
        InformationRetrievalEvaluator,
        TripletEvaluator,
    )

    model = encoder(device)
    corpus = {str(i): sentence for i, sentence in enumerate(SENTENCES)}
    relevant = {"q0": {"0", "3"}, "q1": {"1"}}
    retrieval = InformationRetrievalEvaluator(
        {"q0": "a cat", "q1": "a dog"}, corpus, relevant, mrr_at_k=[3], ndcg_at_k=[3], map_at_k=[3]
    )
    triplets = TripletEvaluator(SENTENCES[:2], SENTENCES[2:4], SENTENCES[4:])
    similarity = EmbeddingSimilarityEvaluator(SENTENCES[:3], SENTENCES[3:], [0.1, 0.5, 0.9])
    return [dict(one(model)) for one in (retrieval, triplets, similarity)]


@feature
def sparse(device, tiny):
    from sentence_transformers.util import tensor as T

    vectors = torch.rand(4, 6, device=device)
    made = [T.to_scipy_coo(vectors.to_sparse()).nnz] if hasattr(T, "to_scipy_coo") else []
    rows = vectors.to_sparse_coo()
    made += [util.cos_sim(rows, rows), util.dot_score(rows, rows)]
    if hasattr(util, "manhattan_sim"):
        made.append(util.manhattan_sim(rows, rows))
    return made


@feature
def lists(device, tiny):
    from sentence_transformers.util import similarity as S

    first = [torch.randn(n, 8, device=device) for n in (3, 5, 2)]
    second = [torch.randn(n, 8, device=device) for n in (4, 1)]
    names = [name for name in ("maxsim", "pairwise_maxsim") if hasattr(S, name)]
    return [getattr(S, name)(first, second if name == "maxsim" else first) for name in names]


if __name__ == "__main__":
    main(__doc__)
