"""Measurements: each prints one line `name value unit (peer value, ratio)` and writes JSON."""
