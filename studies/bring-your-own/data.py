"""A rough curve, and points of it: some to learn from, some to be judged by.

The curve is a sum of waves whose amplitudes fall as a power of their frequency, as in a mountain's outline: there is detail at every
scale, so a model that can hold more always has more to learn.
"""

import argparse
import math
import os
import random

import points

parser = argparse.ArgumentParser()
parser.add_argument("--waves", type=int, required=True)
parser.add_argument("--smoothness", type=float, required=True, help="amplitude = frequency to the minus this")
parser.add_argument("--train", type=int, required=True)
parser.add_argument("--heldout", type=int, required=True)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--out", required=True)
options = parser.parse_args()

draw = random.Random(options.seed)
waves = [(k, k**-options.smoothness, draw.uniform(0.0, 2.0 * math.pi)) for k in range(1, options.waves + 1)]
scale = math.sqrt(2.0 / sum(amplitude**2 for _, amplitude, _ in waves))


def height(x):
    return scale * sum(amplitude * math.cos(2.0 * math.pi * k * x + phase) for k, amplitude, phase in waves)


for name, count in [("train.csv", options.train), ("heldout.csv", options.heldout)]:
    places = [draw.random() for _ in range(count)]
    points.write(os.path.join(options.out, name), [(x, height(x)) for x in places])
