# mypy: ignore-errors
"""e3nn on the GPU: rotations, spherical harmonics, tensor products, spherical signals, an equivariant network."""

from __future__ import annotations

import torch
from driving import feature, main
from e3nn import io, o3
from e3nn import nn as E

# Its own generated code is compiled by torch.jit; what is traced here is Python.


@feature
def rotations(device, tiny):
    count = 4 if tiny else 256
    matrix = o3.rand_matrix(count, device=device)
    angles = o3.matrix_to_angles(matrix)
    quaternion = o3.matrix_to_quaternion(matrix)
    axis = o3.matrix_to_axis_angle(matrix)
    return [
        matrix,
        angles,
        quaternion,
        axis,
        o3.angles_to_matrix(*angles),
        o3.angles_to_quaternion(*angles),
        o3.angles_to_axis_angle(*angles),
        o3.quaternion_to_matrix(quaternion),
        o3.quaternion_to_axis_angle(quaternion),
        o3.axis_angle_to_matrix(*axis),
        o3.axis_angle_to_quaternion(*axis),
        o3.compose_angles(*angles, *o3.rand_angles(count, device=device)),
        o3.compose_quaternion(quaternion, o3.rand_quaternion(count, device=device)),
        o3.inverse_angles(*angles),
        o3.inverse_quaternion(quaternion),
        o3.xyz_to_angles(torch.randn(count, 3, device=device)),
        o3.matrix_x(angles[0]),
        o3.matrix_y(angles[1]),
        o3.matrix_z(angles[2]),
    ]


@feature
def wigner(device, tiny):
    # wigner_D keeps its tables on the host: its angles have to be there, too.
    angles = o3.rand_angles(5)
    made = [o3.wigner_D(degree, *angles).to(device) for degree in range(4)]
    made += [o3.wigner_3j(1, 2, 3, device=device), o3.wigner_3j(2, 2, 2, device=device)]
    irreps = o3.Irreps("2x0e + 1o + 2e")
    made += [irreps.D_from_angles(*angles), irreps.D_from_matrix(o3.rand_matrix()).to(device)]
    return [*made, irreps.randn(3, -1, device=device)]


@feature
def harmonics(device, tiny):
    points = torch.randn(6 if tiny else 512, 3, device=device)
    alpha, beta, _ = o3.rand_angles(7, device=device)
    legendre = o3.Legendre([0, 1, 2, 3]).to(device)
    return [
        o3.spherical_harmonics([0, 1, 2, 3], points, normalize=True),
        o3.spherical_harmonics(2, points, normalize=True, normalization="component"),
        o3.spherical_harmonics_alpha_beta([1, 2], alpha, beta),
        legendre(beta.cos(), beta.sin()),
        o3.SphericalHarmonics("1x1o + 1x2e", normalize=True).to(device)(points),
    ]


@feature
def products(device, tiny):
    first, second = o3.Irreps("4x0e + 4x1o + 2e"), o3.Irreps("0e + 1o + 2e")
    x = first.randn(9, -1, device=device)
    y = second.randn(9, -1, device=device)
    full = o3.FullyConnectedTensorProduct(first, second, "4x0e + 2x1o").to(device)
    norm = o3.Norm(first).to(device)
    square = o3.TensorSquare(first).to(device)
    linear = o3.Linear(first, "3x0e + 2x1o").to(device)
    return [
        full(x, y),
        o3.FullTensorProduct(first, second).to(device)(x, y),
        o3.ElementwiseTensorProduct(first, first).to(device)(x, x),
        norm(x),
        square(x),
        linear(x),
    ]


@feature
def grids(device, tiny):
    degree = 3
    coefficients = torch.randn(4, (degree + 1) ** 2, device=device)
    to_grid = o3.ToS2Grid(degree, (10, 11)).to(device)
    from_grid = o3.FromS2Grid((10, 11), degree).to(device)
    signal = to_grid(coefficients)
    direct = o3.ToS2Grid(degree, (8, 9), device=device)
    return [
        signal,
        from_grid(signal),
        direct(coefficients),
        o3.s2_grid(8, 9, device=device),
        o3.FromS2Grid((8, 9), degree, device=device)(direct(coefficients)),
    ]


@feature
def tensors(device, tiny):
    kind = io.SphericalTensor(3, 1, -1)
    positions = torch.randn(6, 3, device=device)
    values = torch.rand(6, device=device)
    peaks = kind.with_peaks_at(positions, values)
    return [
        peaks,
        kind.with_peaks_at(positions),
        kind.sum_of_diracs(positions, values),
        kind.signal_xyz(peaks, torch.randn(5, 3, device=device)),
        kind.norms(peaks),
        kind.from_samples_on_s2(positions, values),
    ]


@feature
def cartesian(device, tiny):
    kind = io.CartesianTensor("ij=ji")
    matrix = torch.randn(3, 3, 3, device=device)
    matrix = matrix + matrix.transpose(1, 2)
    reduced = kind.from_cartesian(matrix)
    return [reduced, kind.to_cartesian(reduced)]


@feature
def layers(device, tiny):
    irreps = o3.Irreps("8x0e + 4x1o")
    x = irreps.randn(12, -1, device=device)
    gate = E.Gate("4x0e", [torch.tanh], "2x0e", [torch.sigmoid], "2x1o").to(device)
    points = o3.Irreps(gate.irreps_in).randn(5, -1, device=device)
    network = E.FullyConnectedNet([4, 8, 3], torch.relu).to(device)
    batch_norm = E.BatchNorm(irreps).to(device)
    made = [
        gate(points),
        batch_norm(x),
        batch_norm.eval()(x),
        E.Dropout(irreps, p=0.4).to(device)(x),
        E.NormActivation(irreps, torch.sigmoid).to(device)(x),
        E.Activation("4x0e", [torch.tanh]).to(device)(torch.randn(3, 4, device=device)),
        network(torch.randn(5, 4, device=device)),
        E.Extract(irreps, ["8x0e"], [(0,)]).to(device)(x),
        E.S2Activation("0e + 1o + 2e", torch.tanh, 10, lmax_out=2).to(device)(
            torch.randn(3, 9, device=device)
        ),
    ]
    return made


@feature
def network(device, tiny):
    """One message passing step, forward and backward."""
    from e3nn.math import soft_one_hot_linspace

    nodes = 10 if tiny else 100
    positions = torch.randn(nodes, 3, device=device, requires_grad=True)
    edges = (torch.cdist(positions, positions) < 2.0).nonzero().t()
    vectors = positions[edges[0]] - positions[edges[1]]
    harmonics = o3.spherical_harmonics("0e + 1o + 2e", vectors, normalize=True)
    product = o3.FullyConnectedTensorProduct("8x0e", "0e + 1o + 2e", "8x0e + 4x1o", shared_weights=False).to(
        device
    )
    weights = E.FullyConnectedNet([6, 16, product.weight_numel], torch.relu).to(device)
    radial = soft_one_hot_linspace(vectors.norm(dim=1), 0.0, 2.0, 6, basis="smooth_finite", cutoff=True)
    message = product(torch.randn(nodes, 8, device=device)[edges[0]], harmonics, weights(radial))
    out = torch.zeros(nodes, message.shape[1], device=device).index_add(0, edges[1], message)
    # Its gradients are sums of many numbers in an order that differs: their number is what can be compared.
    out.sum().backward()
    return [edges, message, positions.grad.shape]


if __name__ == "__main__":
    main(__doc__)
