"""A small inference engine: continuous batching, a paged KV cache, sampling, results read back late.

Written as one writes such an engine before anyone has looked at its waits: what the scheduler knows as Python lists is
uploaded where it is needed. Nothing in a step waits for the device on purpose.
"""
