"""What names mean, where values live, which device, how often the code runs. Knows no rule."""
