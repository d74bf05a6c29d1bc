"""What other programs load: the pytest plugin. Each module imports no more than its host needs to start."""
