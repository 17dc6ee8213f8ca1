"""Trains a network of one hidden layer on points of a curve, with nothing but Python's standard library.

The hidden layer is a radial-basis layer (Broomhead and Lowe, 1988) whose centres are drawn at random, one in each of as many equal parts
of the line; the weights of the output layer are trained by conjugate gradients on the squared error with a small penalty. Width is the
one knob of size.
"""

import argparse
import json
import math
import os
import random
from operator import mul

import points

parser = argparse.ArgumentParser()
parser.add_argument("--data", required=True)
parser.add_argument("--width", type=int, required=True)
parser.add_argument("--steps", type=int, required=True)
parser.add_argument("--penalty", type=float, required=True)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--metrics", required=True)
parser.add_argument("--out", required=True)
options = parser.parse_args()

draw = random.Random(options.seed)
centres = [(index + draw.random()) / options.width for index in range(options.width)]


def features(places):
    """The hidden layer's activations: one row a place."""
    return [[math.exp(-0.5 * ((x - centre) * options.width) ** 2) for centre in centres] for x in places]


def dot(a, b):
    return sum(map(mul, a, b))


def loss(rows, weights, heights):
    return sum((dot(row, weights) - height) ** 2 for row, height in zip(rows, heights)) / len(heights)


places, heights = points.read(os.path.join(options.data, "train.csv"))
heldout_places, heldout_heights = points.read(os.path.join(options.data, "heldout.csv"))
rows, heldout_rows = features(places), features(heldout_places)
columns = list(zip(*rows))


def normal(vector):
    """The normal equations' matrix times a vector: (ΦᵀΦ / n + penalty) v."""
    out = [dot(row, vector) for row in rows]
    return [dot(column, out) / len(rows) + options.penalty * value for column, value in zip(columns, vector)]


with open(options.metrics, "w", buffering=1) as metrics:

    def say(**numbers):
        print(json.dumps(numbers), file=metrics)

    weights = [0.0] * options.width
    residual = [dot(column, heights) / len(rows) for column in columns]
    direction, size = residual, dot(residual, residual)
    steps = 0
    while steps < options.steps and size > 1e-20:
        image = normal(direction)
        rate = size / dot(direction, image)
        weights = [w + rate * d for w, d in zip(weights, direction)]
        residual = [r - rate * i for r, i in zip(residual, image)]
        size, last = dot(residual, residual), size
        direction = [r + size / last * d for r, d in zip(residual, direction)]
        steps += 1
        if steps % 10 == 0:
            say(step=steps, loss=loss(heldout_rows, weights, heldout_heights))
    say(
        loss=loss(heldout_rows, weights, heldout_heights),
        train_loss=loss(rows, weights, heights),
        params=options.width,
        compute=4 * steps * len(rows) * options.width,
    )

with open(options.out, "w") as file:
    json.dump({"centres": centres, "weights": weights}, file)
