"""Points of a curve: reading and writing them. Shared by data.py and train.py."""

import csv


def write(path, rows):
    """Writes rows (x, y). `repr` keeps every bit of a float."""
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([repr(value) for value in row] for row in rows)


def read(path):
    """Reads rows back: the list of x, and the list of y."""
    with open(path, newline="") as file:
        rows = [(float(x), float(y)) for x, y in csv.reader(file)]
    return [x for x, _ in rows], [y for _, y in rows]
