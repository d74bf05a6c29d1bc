# mypy: ignore-errors
"""gpytorch on the GPU: kernels, likelihoods, exact and variational regression, each with its settings set anew."""

from __future__ import annotations

import sys

import gpytorch
import torch
from driving import feature, main
from gpytorch import kernels as K
from gpytorch import likelihoods as L


def points(device, tiny, dimensions=2):
    return torch.rand(20 if tiny else 200, dimensions, device=device)


class Exact(gpytorch.models.ExactGP):
    def __init__(self, x, y, likelihood, kernel):
        super().__init__(x, y, likelihood)
        self.mean_module = gpytorch.means.ConstantMean()
        self.covar_module = kernel

    def forward(self, x):
        return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))


@feature
def kernels(device, tiny):
    x = points(device, tiny)
    kinds = [
        K.RBFKernel(),
        K.MaternKernel(nu=1.5),
        K.MaternKernel(nu=2.5),
        K.PeriodicKernel(),
        K.CosineKernel(),
        K.LinearKernel(),
        K.PolynomialKernel(2),
        K.RQKernel(),
        K.PiecewisePolynomialKernel(q=2),
        K.SpectralMixtureKernel(num_mixtures=3, ard_num_dims=2),
        K.SpectralDeltaKernel(num_dims=2),
        K.RBFKernelGrad(),
        K.Matern52KernelGrad(),
        K.PolynomialKernelGrad(2),
        K.RBFKernelGradGrad(),
        K.ScaleKernel(K.RBFKernel(ard_num_dims=2)),
        K.NewtonGirardAdditiveKernel(K.RBFKernel(), 2),
        K.ArcKernel(K.MaternKernel(nu=2.5), delta_func=None, angle_prior=None),
        K.CylindricalKernel(3, K.MaternKernel(nu=2.5)),
        K.AdditiveStructureKernel(K.RBFKernel(), 2),
        K.ProductStructureKernel(K.RBFKernel(), 2),
        K.RFFKernel(num_samples=8, num_dims=2),
    ]
    made = []
    for kind in kinds:
        kind = kind.to(device)
        with torch.no_grad():
            made.append(kind(x * 0.5).to_dense())
    return made


@feature
def settings(device, tiny):
    kinds = [
        (K.PeriodicKernel(), {"period_length": 0.7}),
        (K.CosineKernel(), {"period_length": 0.4}),
        (K.LinearKernel(), {"variance": 0.3}),
        (K.RQKernel(), {"alpha": 1.2}),
        (K.ScaleKernel(K.RBFKernel()), {"outputscale": 2.0}),
        (K.CylindricalKernel(3, K.RBFKernel()), {"alpha": 1.5, "beta": 0.6}),
        (K.RBFKernel(), {"lengthscale": 0.4}),
        (K.SpectralMixtureKernel(num_mixtures=2), {"mixture_means": 0.5, "mixture_scales": 0.2}),
        (K.NewtonGirardAdditiveKernel(K.RBFKernel(), 2), {"outputscale": [0.5, 0.7]}),
        (L.GaussianLikelihood(), {"noise": 0.2}),
        (gpytorch.means.ConstantMean(), {"constant": 0.4}),
    ]
    made = []
    for kind, values in kinds:
        kind = kind.to(device)
        for name, value in values.items():
            value = torch.tensor(value) if isinstance(value, list) else value
            try:
                setattr(kind, name, value)
            except RuntimeError as error:
                # Some constraints keep their bounds on the host, and cannot be asked on a device.
                print(f"{type(kind).__name__}.{name}: {error}", file=sys.stderr)
        made.append(list(kind.parameters()))
    return made


@feature
def spectral(device, tiny):
    x, made = points(device, tiny, 1).sort(dim=0).values, []
    y = torch.sin(6 * x[:, 0])
    for method in ("initialize_from_data", "initialize_from_data_empspect"):
        kernel = K.SpectralMixtureKernel(num_mixtures=2).to(device)
        getattr(kernel, method)(x, y)
        made.append(kernel(x).to_dense())
    return made


@feature
def exact(device, tiny):
    x = points(device, tiny)
    y = torch.sin(x.sum(dim=1) * 5)
    likelihood = L.GaussianLikelihood().to(device)
    model = Exact(x, y, likelihood, K.ScaleKernel(K.RBFKernel())).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    objective = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = -objective(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    model.eval(), likelihood.eval()
    with torch.no_grad(), gpytorch.settings.fast_pred_var():
        predicted = likelihood(model(points(device, tiny)))
        sampled = predicted.sample(torch.Size([3]))
        region = predicted.confidence_region()
    return [losses, predicted.mean, predicted.variance, sampled, region]


@feature
def linear_and_inducing(device, tiny):
    x = points(device, tiny)
    y = x.sum(dim=1)
    made = []
    likelihood = L.GaussianLikelihood().to(device)
    inducing = K.InducingPointKernel(K.RBFKernel(), x[:5].clone(), likelihood)
    for kernel in (K.LinearKernel(), inducing, K.GridInterpolationKernel(K.RBFKernel(), 10, 2)):
        model = Exact(x, y, likelihood, kernel).to(device)
        model(x)
        model.eval()
        with torch.no_grad():
            made.append(model(points(device, True)).mean)
    return made


@feature
def variational(device, tiny):
    class Model(gpytorch.models.ApproximateGP):
        def __init__(self, inducing, strategy, distribution):
            chosen = distribution(inducing.size(0))
            super().__init__(strategy(self, inducing, chosen))
            self.mean_module = gpytorch.means.ConstantMean()
            self.covar_module = K.ScaleKernel(K.RBFKernel())

        def forward(self, x):
            return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

    x = points(device, tiny)
    V = gpytorch.variational
    likelihoods = [
        (L.BernoulliLikelihood(), (x[:, 0] > 0.5).float()),
        (L.GaussianLikelihood(), x.sum(dim=1)),
        (L.StudentTLikelihood(), x.sum(dim=1)),
        (L.LaplaceLikelihood(), x.sum(dim=1)),
        (L.BetaLikelihood(), x[:, 0].clamp(0.05, 0.95)),
    ]
    made = []
    for likelihood, y in likelihoods:
        for strategy in (V.VariationalStrategy, V.UnwhitenedVariationalStrategy):
            model = Model(x[:6].clone(), strategy, V.CholeskyVariationalDistribution).to(device)
            likelihood = likelihood.to(device)
            objective = gpytorch.mlls.VariationalELBO(likelihood, model, num_data=len(y))
            loss = -objective(model(x), y)
            loss.backward()
            made.append(loss.detach())
            model.eval(), likelihood.eval()
            made.append(model(points(device, True)).mean)
    return made


@feature
def multitask(device, tiny):
    x = points(device, tiny)
    y = torch.stack([x.sum(dim=1), x[:, 0]], dim=1)

    class Model(gpytorch.models.ExactGP):
        def __init__(self, likelihood):
            super().__init__(x, y, likelihood)
            self.mean_module = gpytorch.means.MultitaskMean(gpytorch.means.ConstantMean(), num_tasks=2)
            self.covar_module = K.MultitaskKernel(K.RBFKernel(), num_tasks=2, rank=1)

        def forward(self, x):
            mean, covariance = self.mean_module(x), self.covar_module(x)
            return gpytorch.distributions.MultitaskMultivariateNormal(mean, covariance)

    made = []
    for rank in (0, 1):
        likelihood = L.MultitaskGaussianLikelihood(num_tasks=2, rank=rank).to(device)
        model = Model(likelihood).to(device)
        objective = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
        made.append(objective(model(x), y).detach())
    return made


@feature
def dirichlet(device, tiny):
    labels = torch.randint(0, 3, (30,), device=device)
    likelihood = L.DirichletClassificationLikelihood(labels, learn_additional_noise=True).to(device)
    return [likelihood.transformed_targets, likelihood.noise]


@feature
def log_normal_cdf(device, tiny):
    from gpytorch.functions import log_normal_cdf as function

    z = torch.linspace(-8, 4, 64, device=device, requires_grad=True)
    value = function(z)
    value.sum().backward()
    return [value, z.grad]


@feature
def priors(device, tiny):
    P = gpytorch.priors
    made = []
    for prior in (P.GammaPrior(2.0, 0.5), P.NormalPrior(0.0, 1.0), P.LogNormalPrior(0.0, 1.0)):
        prior = prior.to(device)
        made.append(prior.log_prob(torch.rand(4, device=device) + 0.1))
    return made


if __name__ == "__main__":
    main(__doc__)
