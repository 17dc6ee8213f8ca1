"""Writes scores.json: clean-fid's resize, torchmetrics' Fréchet distance and cosines, SciPy's line through distances of growing parts, of pictures and features that
are sines.

    pip install numpy scipy torch torchmetrics torch-fidelity clean-fid && python scores.py
"""

import json
import pathlib

import numpy
import scipy
import torch
import torchmetrics
from cleanfid.resize import build_resizer, make_resizer
from scipy import stats
from torchmetrics.functional import pairwise_cosine_similarity
from torchmetrics.image.fid import _compute_fid


def features(count, width, pace, shift):
    n = numpy.arange(count * width, dtype=numpy.float64).reshape(count, width)
    return numpy.sin(pace * n + shift) + 0.5 * numpy.sin(0.013 * pace * n * n)


def picture(side, pace):
    """u8, `[side, side, 3]`."""
    n = numpy.arange(side * side * 3, dtype=numpy.float64).reshape(3, side, side)
    return numpy.round(127.5 + 127.5 * numpy.sin(pace * n + 0.0007 * n * n)).astype(numpy.uint8).transpose(1, 2, 0)


def distance(x, y):
    moments = [(torch.tensor(f.mean(0)), torch.tensor(numpy.cov(f, rowvar=False))) for f in (x, y)]
    return _compute_fid(moments[0][0], moments[0][1], moments[1][0], moments[1][1]).item()


# What clean-fid does to an image before Inception sees it, and the same to other sizes.
resizes = []
for side, size in [(16, 299), (32, 299), (320, 299), (50, 20), (64, 64), (7, 33)]:
    resize = build_resizer("clean") if size == 299 else make_resizer("PIL", False, "bicubic", (size, size))
    out = numpy.asarray(resize(picture(side, 0.37)))
    assert out.shape == (size, size, 3) and out.dtype == numpy.float32
    places = [(k * 7919) % (size * size * 3) for k in range(40)]
    flat = out.transpose(2, 0, 1).reshape(-1)
    resizes.append({"side": side, "size": size, "sum": float(flat.astype(numpy.float64).sum()), "places": places, "values": [float(flat[p]) for p in places]})

distances = []
for a, b in [((90, 6, 0.37, 0.0), (60, 6, 0.71, 1.0)), ((150, 8, 0.9, 0.3), (125, 8, 0.11, 0.0))]:
    x, y = features(*a), features(*b)
    count = len(x)
    points = []
    for part in range(15):
        size = count // 5 + (count - count // 5) * part // 14
        first = (count - size) * (part % 3) // 2
        points.append((1 / size, distance(x[first : first + size], y)))
    line = stats.linregress(*zip(*points))
    distances.append({"a": a, "b": b, "frechet": distance(x, y), "endless": line.intercept})

a, b = (20, 12, 0.37, 0.0), (20, 12, 0.71, 1.0)
cosines = pairwise_cosine_similarity(torch.tensor(features(*a)), torch.tensor(features(*b))).diagonal()
margins = torch.tensor(features(20, 1, 0.9, 0.1)[:, 0])
loss = torch.nn.functional.softplus(-margins).mean().item()  # -log sigmoid, by another way

versions = {m.__name__: m.__version__ for m in (torchmetrics, scipy, torch)} | {"cleanfid": "0.1.35"}
golden = {"versions": versions, "resizes": resizes, "distances": distances, "cosines": {"a": a, "b": b, "values": cosines.tolist()}, "pairwise": {"margins": margins.tolist(), "loss": loss}}
pathlib.Path(__file__).with_name("scores.json").write_text(json.dumps(golden, indent=1) + "\n")
