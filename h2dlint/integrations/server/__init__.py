"""The language server: ``h2dlint server``."""
