"""h2dlint finds the blocking host-to-device copies in PyTorch code and rewrites them."""

__version__ = "0.1.0"
