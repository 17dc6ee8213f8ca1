"""Writes distances.json: Fréchet distances through scipy's matrix root, and torchmetrics' kernel distance, of features that are sines.

    pip install numpy scipy torch torchmetrics torch-fidelity && python distances.py
"""

import json
import pathlib

import numpy
import scipy
import scipy.linalg
import torch
import torchmetrics
from torchmetrics.image.kid import poly_mmd, poly_kernel


def features(count, width, pace, shift):
    n = numpy.arange(count * width, dtype=numpy.float64).reshape(count, width)
    return numpy.sin(pace * n + shift) + 0.5 * numpy.sin(0.013 * pace * n * n)


cases = []
for a, b in [((40, 8, 0.37, 0.0), (60, 8, 0.71, 1.0)), ((30, 16, 0.9, 0.3), (25, 16, 0.11, 0.0)), ((10, 16, 0.5, 0.0), (12, 16, 0.77, 2.0))]:
    x, y = features(*a), features(*b)
    (m1, s1), (m2, s2) = [(f.mean(0), numpy.cov(f, rowvar=False)) for f in (x, y)]
    root = scipy.linalg.sqrtm(s1 @ s2)
    distance = ((m1 - m2) ** 2).sum() + numpy.trace(s1 + s2) - 2 * numpy.trace(numpy.real(root))
    k = [torch.tensor(f) for f in (x, y)]
    size = min(len(x), len(y))
    k = [f[:size] for f in k]
    kid = poly_mmd(*k).item()
    cases.append({"a": a, "b": b, "frechet": distance, "kernel_rows": size, "kernel": kid})
versions = {"scipy": scipy.__version__, "torchmetrics": torchmetrics.__version__}
pathlib.Path(__file__).with_name("distances.json").write_text(json.dumps({**versions, "cases": cases}, indent=1) + "\n")
