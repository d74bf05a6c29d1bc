"""Source text, spans and LibCST snippets. Knows nothing of PyTorch."""
