# mypy: ignore-errors
"""torch_geometric on the GPU: layers, pooling, utilities and transforms on graphs that lie there."""

from __future__ import annotations

import torch
import torch_geometric.nn as N
import torch_geometric.transforms as T
import torch_geometric.utils as U
from driving import feature, main
from torch_geometric.data import Batch, Data, HeteroData
from torch_geometric.utils._subgraph import hyper_subgraph
from torch_geometric.utils.mesh_laplacian import get_mesh_laplacian


def graph(device, tiny, channels=16):
    """An undirected random graph."""
    nodes = 40 if tiny else 1000
    edges = torch.randint(0, nodes, (2, nodes * 4), device=device)
    edges = U.coalesce(U.to_undirected(edges, num_nodes=nodes), num_nodes=nodes)
    x = torch.randn(nodes, channels, device=device)
    y = torch.randint(0, 3, (nodes,), device=device)
    return Data(x=x, edge_index=edges, y=y, pos=torch.rand(nodes, 3, device=device), num_nodes=nodes)


@feature
def convolutions(device, tiny):
    data = graph(device, tiny)
    layers = [
        N.GCNConv(16, 8),
        N.ChebConv(16, 8, K=3),
        N.GATConv(16, 8, heads=2),
        N.GATv2Conv(16, 8, heads=2),
        N.SuperGATConv(16, 8, heads=2),
        N.SAGEConv(16, 8),
        N.GINConv(torch.nn.Linear(16, 8)),
        N.TransformerConv(16, 8, heads=2),
        N.TAGConv(16, 8),
        N.ARMAConv(16, 8),
        N.SGConv(16, 8, K=2),
        N.APPNP(K=3, alpha=0.1),
        N.PNAConv(16, 8, ["mean", "max", "std"], ["identity", "amplification"], torch.ones(20)),
    ]
    made = []
    for layer in layers:
        layer = layer.to(device).eval()
        made.append(layer(data.x, data.edge_index))
    attention = N.SuperGATConv(16, 8, heads=2).to(device)
    attention(data.x, data.edge_index)
    return [*made, attention.get_attention_loss()]


@feature
def weisfeiler(device, tiny):
    data = graph(device, tiny)
    layer = N.WLConv()
    colours = layer(data.y, data.edge_index)
    batch = torch.arange(data.num_nodes, device=device) // (data.num_nodes // 4 + 1)
    return [colours, layer.histogram(colours, batch)]


@feature
def dense(device, tiny):
    x = torch.randn(4, 12, 16, device=device)
    adjacency = (torch.rand(4, 12, 12, device=device) > 0.6).float()
    adjacency = ((adjacency + adjacency.transpose(1, 2)) > 0).float()
    mask = torch.ones(4, 12, dtype=torch.bool, device=device)
    made = [
        N.DenseGCNConv(16, 8).to(device)(x, adjacency, mask),
        N.DenseGATConv(16, 8).to(device)(x, adjacency, mask),
        N.DenseSAGEConv(16, 8).to(device)(x, adjacency, mask),
        N.DenseGINConv(torch.nn.Linear(16, 8)).to(device)(x, adjacency, mask),
        N.DMoNPooling(16, 4).to(device)(x, adjacency, mask)[1:],
    ]
    assigned = torch.randn(4, 12, 3, device=device)
    return [
        *made,
        N.dense_mincut_pool(x, adjacency, assigned, mask),
        N.dense_diff_pool(x, adjacency, assigned),
    ]


@feature
def batching(device, tiny):
    graphs = [graph(device, True) for _ in range(3)]
    batch = Batch.from_data_list(graphs)
    padded, mask = U.to_dense_batch(batch.x, batch.batch)
    single = U.to_dense_batch(graphs[0].x)
    adjacency = U.to_dense_adj(batch.edge_index, batch.batch)
    back = batch.to_data_list()
    return [padded, mask, single[1], adjacency, batch.ptr, back[1].edge_index]


@feature
def subgraphs(device, tiny):
    data = graph(device, tiny)
    chosen = [0, 3, 5, 7, 8, 9]
    made = [
        U.subgraph(chosen, data.edge_index, relabel_nodes=True)[0],
        U.k_hop_subgraph(0, 2, data.edge_index, relabel_nodes=True),
        U.k_hop_subgraph([1, 2], 1, data.edge_index),
        U.bipartite_subgraph(([0, 1, 2], [3, 4, 5, 6]), data.edge_index, relabel_nodes=True)[0],
    ]
    hyper = torch.stack([data.edge_index[0], data.edge_index[1] // 3])
    return [*made, hyper_subgraph(chosen, hyper)[0]]


@feature
def sampled(device, tiny):
    data = graph(device, tiny)
    return [
        U.negative_sampling(data.edge_index, data.num_nodes, method="dense"),
        U.negative_sampling(data.edge_index, data.num_nodes, method="sparse"),
        U.structured_negative_sampling(data.edge_index, data.num_nodes),
        U.dropout_edge(data.edge_index, p=0.3)[0],
        U.dropout_node(data.edge_index, p=0.3)[0],
        U.mask_feature(data.x)[0],
        U.add_random_edge(data.edge_index, p=0.2, num_nodes=data.num_nodes)[0],
        U.shuffle_node(data.x)[0],
    ]


@feature
def utilities(device, tiny):
    data = graph(device, tiny)
    index, x = data.edge_index, data.x
    made = [
        U.grid(4, 5, device=device),
        U.to_torch_coo_tensor(index, size=data.num_nodes),
        U.to_torch_csr_tensor(index, size=data.num_nodes).to_dense(),
        U.get_laplacian(index, normalization="sym", num_nodes=data.num_nodes),
        U.add_self_loops(index, num_nodes=data.num_nodes)[0],
        U.degree(index[0], data.num_nodes),
        U.softmax(torch.randn(index.shape[1], device=device), index[0], num_nodes=data.num_nodes),
        U.scatter(x[index[1]], index[0], dim_size=data.num_nodes, reduce="max"),
        U.cumsum(data.y),
        U.unbatch(x, data.y.sort().values),
        U.index_to_mask(torch.tensor([1, 4], device=device), data.num_nodes),
        U.homophily(index, data.y),
        U.assortativity(index),
        get_mesh_laplacian(data.pos, torch.randint(0, data.num_nodes, (3, 30), device=device))[0],
    ]
    return made


@feature
def personalised(device, tiny):
    from torch_geometric.utils import ppr

    data = graph(device, True)
    return list(ppr.get_ppr(data.edge_index.cpu(), alpha=0.3, eps=1e-3, num_nodes=data.num_nodes))


@feature
def maps(device, tiny):
    from torch_geometric.utils.map import map_index

    source = torch.tensor([2, 0, 2, 5, 9], device=device)
    index = torch.tensor([9, 2, 0, 5], device=device)
    return [map_index(source, index), map_index(source, index, max_index=10, inclusive=True)]


@feature
def pools(device, tiny):
    data = graph(device, True)
    batch = torch.zeros(data.num_nodes, dtype=torch.int64, device=device)
    return [
        N.TopKPooling(16, ratio=0.5).to(device)(data.x, data.edge_index, batch=batch)[0],
        N.SAGPooling(16, ratio=0.5).to(device)(data.x, data.edge_index, batch=batch)[0],
        N.ASAPooling(16, ratio=0.5).to(device)(data.x, data.edge_index, batch=batch)[0],
        N.EdgePooling(16).to(device)(data.x, data.edge_index, batch)[0],
        N.global_add_pool(data.x, batch),
        N.global_mean_pool(data.x, None),
        N.GlobalAttention(torch.nn.Linear(16, 1)).to(device)(data.x, batch),
        N.Set2Set(16, 2).to(device)(data.x, batch),
        N.max_pool(data.y, Batch.from_data_list([data])).x,
        N.avg_pool_neighbor_x(data).x,
    ]


@feature
def cluster_pool(device, tiny):
    from torch_geometric.nn.pool import ClusterPooling

    data = graph(device, True)
    batch = torch.zeros(data.num_nodes, dtype=torch.int64, device=device)
    return list(ClusterPooling(16).to(device)(data.x, data.edge_index, batch)[:3])


@feature
def aggregations(device, tiny):
    x = torch.randn(60, 8, device=device)
    index = torch.arange(60, device=device) // 6
    kinds = [
        N.aggr.SumAggregation(),
        N.aggr.MedianAggregation(),
        N.aggr.QuantileAggregation([0.25, 0.75]),
        N.aggr.SoftmaxAggregation(learn=True),
        N.aggr.PowerMeanAggregation(),
        N.aggr.SortAggregation(3),
        N.aggr.LSTMAggregation(8, 4),
        N.aggr.GRUAggregation(8, 4),
        N.aggr.DegreeScalerAggregation("mean", "linear", torch.ones(10)),
        N.aggr.MultiAggregation(["mean", "std", "max"]),
        N.aggr.EquilibriumAggregation(8, 4, [8], grad_iter=2),
        N.aggr.SetTransformerAggregation(8, num_seed_points=2),
    ]
    return [kind.to(device)(x, index) for kind in kinds]


@feature
def transformed(device, tiny):
    steps = [
        T.Constant(),
        T.NormalizeFeatures(),
        T.AddSelfLoops(),
        T.ToUndirected(),
        T.Distance(),
        T.Cartesian(),
        T.LocalDegreeProfile(),
        T.Center(),
        T.NormalizeScale(),
        T.RandomJitter(0.01),
        T.RandomRotate(30, axis=1),
        T.RandomScale((0.9, 1.1)),
        T.RandomShear(0.1),
        T.FixedPoints(16),
        T.OneHotDegree(60),
        T.VirtualNode(),
        T.RandomNodeSplit(num_val=5, num_test=5),
        T.AddRandomWalkPE(3),
        T.LargestConnectedComponents(),
        T.TargetIndegree(),
        T.GCNNorm(),
        T.SVDFeatureReduction(4),
    ]
    made = {}
    for step in steps:
        done = step(graph(device, True))
        made[type(step).__name__] = [done.x, done.edge_index, done.get("edge_attr", None)]
    return made


@feature
def diffusion(device, tiny):
    data = graph(device, True)
    step = T.GDC(
        diffusion_kwargs={"method": "ppr", "alpha": 0.15},
        sparsification_kwargs={"method": "threshold", "avg_degree": 8},
        exact=True,
    )
    done = step(data)
    return [done.edge_index, done.edge_attr]


@feature
def links(device, tiny):
    data = graph(device, True)
    data.edge_index = U.to_undirected(data.edge_index)
    split = T.RandomLinkSplit(is_undirected=True, num_val=0.1, num_test=0.1)
    train, _, test = split(data)
    return [train.edge_label_index, train.edge_label, test.edge_label_index]


@feature
def hetero(device, tiny):
    data = HeteroData()
    data["a"].x = torch.randn(10, 8, device=device)
    data["b"].x = torch.randn(14, 8, device=device)
    data["a", "to", "b"].edge_index = torch.stack(
        [torch.randint(0, 10, (30,), device=device), torch.randint(0, 14, (30,), device=device)]
    )
    data["b", "of", "a"].edge_index = data["a", "to", "b"].edge_index.flip(0)
    flat = data.to_homogeneous()
    layer = N.HeteroConv(
        {("a", "to", "b"): N.SAGEConv((8, 8), 4), ("b", "of", "a"): N.SAGEConv((8, 8), 4)}
    ).to(device)
    gated = N.HGTConv(8, 8, data.metadata(), heads=2).to(device)
    linear = N.HeteroDictLinear(8, 4, ["a", "b"]).to(device)
    return [
        flat.edge_index,
        flat.node_type,
        layer(data.x_dict, data.edge_index_dict),
        gated(data.x_dict, data.edge_index_dict),
        linear(data.x_dict),
        N.HeteroLinear(8, 4, 2).to(device)(flat.x, flat.node_type),
    ]


@feature
def embeddings(device, tiny):
    triples = [torch.randint(0, high, (64,), device=device) for high in (20, 4, 20)]
    made = []
    for kind in (N.TransE, N.ComplEx, N.DistMult, N.RotatE):
        model = kind(20, 4, 8).to(device)
        made.append(model.loss(*triples))
        loader = model.loader(*triples, batch_size=16)
        made.append(next(iter(loader)))
    return made


@feature
def models(device, tiny):
    data = graph(device, tiny)
    z = torch.randint(1, 9, (30,), device=device)
    pos = torch.randn(30, 3, device=device) * 2
    made = [
        N.GCN(16, 8, 2).to(device)(data.x, data.edge_index),
        N.GraphUNet(16, 8, 4, depth=2).to(device)(data.x, data.edge_index),
        N.LabelPropagation(2, 0.9)(data.y, data.edge_index),
        N.CorrectAndSmooth(2, 0.5, 2, 0.5).smooth(
            torch.rand(data.num_nodes, 3, device=device), data.y, data.y >= 0, data.edge_index
        ),
    ]
    edges = torch.cdist(pos, pos).fill_diagonal_(100).le(4).nonzero().t().contiguous()
    # Their own radius graph needs another library: neighbours are given.
    filters = N.models.schnet.GaussianSmearing(0.0, 6.0, 12).to(device)
    made.append(filters((pos[edges[0]] - pos[edges[1]]).norm(dim=-1)))
    made.append(N.models.visnet.ExpNormalSmearing(5.0, 8, True).to(device)(torch.rand(20, device=device)))
    auto = N.GAE(N.GCNConv(16, 8)).to(device)
    hidden = auto.encode(data.x, data.edge_index)
    made += [auto.recon_loss(hidden, data.edge_index), z]
    return made


@feature
def spectral(device, tiny):
    model = N.SignedGCN(8, 16, num_layers=2).to(device)
    edges = graph(device, True).edge_index
    half = edges.shape[1] // 2
    positive, negative = edges[:, :half], edges[:, half:]
    x = model.create_spectral_features(positive, negative, num_nodes=40)
    # The signs of singular vectors are anybody's: their sizes are compared.
    return [x.abs().sum(dim=0), model.split_edges(positive)[0].shape[1]]


@feature
def explained(device, tiny):
    from torch_geometric.explain import Explainer, GNNExplainer

    data = graph(device, True)
    explainer = Explainer(
        N.GCN(16, 8, 2, out_channels=3).to(device),
        GNNExplainer(epochs=3),
        explanation_type="model",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config={"mode": "multiclass_classification", "task_level": "node", "return_type": "raw"},
        threshold_config={"threshold_type": "topk", "value": 5},
    )
    done = explainer(data.x, data.edge_index, index=3)
    return [done.node_mask.shape, done.edge_mask.shape]


@feature
def indexed(device, tiny):
    from torch_geometric import EdgeIndex

    edges = graph(device, True).edge_index
    wrapped = EdgeIndex(edges, sparse_size=(40, 40)).sort_by("row")[0]
    (rowptr, col), _ = wrapped.get_csr()
    narrowed = wrapped.sparse_narrow(0, 2, 10)
    empty = wrapped.sparse_narrow(0, 2, 0)
    return [
        rowptr,
        col,
        narrowed.as_tensor(),
        empty.as_tensor(),
        wrapped.matmul(torch.ones(40, 4, device=device)),
    ]


@feature
def hashed(device, tiny):
    from torch_geometric import HashTensor

    table = HashTensor(torch.tensor([5, 9, 2], device=device), torch.randn(3, 4, device=device))
    return [table[torch.tensor([9, 2], device=device)], table.as_tensor(), table.index_select(0, [5, 9])]


@feature
def ranked(device, tiny):
    from torch_geometric.metrics import LinkPredMAP, LinkPredNDCG, LinkPredPersonalization, LinkPredPrecision

    preds = torch.stack([torch.randperm(30, device=device)[:8] for _ in range(6)])
    truth = torch.stack([torch.arange(12, device=device) % 6, torch.randint(0, 30, (12,), device=device)])
    made = []
    for kind in (LinkPredMAP, LinkPredNDCG, LinkPredPrecision, LinkPredPersonalization):
        metric = kind(k=5).to(device)
        metric.update(preds, truth)
        made.append(metric.compute())
    return made


if __name__ == "__main__":
    main(__doc__)
