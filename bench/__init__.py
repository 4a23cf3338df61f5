"""Measurements: ratios of contestants that ran interleaved in one run, never absolute promises."""
