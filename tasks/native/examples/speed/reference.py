"""What the example `speed` is held against: SciPy on the same rows, one BLAS thread, CPU seconds.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python reference.py

The analytic gradient is given, which the published script does not do. `--grid` adds the 4,500 literal starts, `--table` the objectives that
`tests/published.rs` quotes.
"""

import itertools
import pathlib
import sys
import time

import numpy as np
import scipy
from scipy.optimize import minimize

DATA = pathlib.Path(__file__).parents[4] / "studies/published-laws/data/chinchilla-epoch.csv"
raw = np.genfromtxt(DATA, delimiter=",", names=True, dtype=None, encoding="utf8", comments=None)
n, c, y = raw["Model_Size"], raw["Training_FLOP"], raw["loss"]
d = c / (6 * n)
keep = np.sort(np.argsort(y, kind="stable")[:-5])
n, d, y = n[keep], d[keep], y[keep]
ln_n, ln_d, ln_y = np.log(n), np.log(d), np.log(y)


def objective(theta, u, v, t, delta, scale=1.0):
    """Huber of ln y (delta > 0), squares of ln y (delta 0) or of y (delta < 0), and its gradient in (a, b, e, alpha, beta)."""
    a, b, e, alpha, beta = theta
    z = np.stack([a - alpha * u, b - beta * v, np.full_like(u, e)])
    top = z.max(0)
    w = np.exp(z - top)
    total = w.sum(0)
    w /= total
    log = top + np.log(total)
    if delta > 0:
        r = t - log
        inside = np.abs(r) <= delta
        f = np.where(inside, 0.5 * r * r, delta * (np.abs(r) - 0.5 * delta)).sum()
        psi = -np.clip(r, -delta, delta)
    elif delta == 0:
        r = t - log
        f, psi = (r * r).sum(), -2 * r
    else:
        r = np.exp(t) - np.exp(log)
        f, psi = (r * r).sum(), -2 * r * np.exp(log)
    g = np.array([(psi * w[0]).sum(), (psi * w[1]).sum(), (psi * w[2]).sum(), -(psi * w[0] * u).sum(), -(psi * w[1] * v).sum()])
    return f * scale, g * scale


def search(theta, u, v, t, delta):
    scale = 1.0 / delta if delta > 0 else 1.0
    options = {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 2000, "maxfun": 4000}
    found = minimize(objective, theta, args=(u, v, t, delta, scale), jac=True, method="L-BFGS-B", options=options)
    return found.fun / scale, found.x


def centred():
    """192 starts in centred coordinates: all of them can reach the optimum."""
    mu, mv = ln_n.mean(), ln_d.mean()
    u, v = ln_n - mu, ln_d - mv
    starts = itertools.product([-2, -1, 0, 1], [-2, -1, 0, 1], [0.3, 0.6], [0.2, 0.5], [0.2, 0.5, 0.8])
    return u, v, [np.array(s) for s in starts]


def timed(label, work):
    before = time.process_time()
    result = work()
    print(f"{label:42s}{time.process_time() - before:8.3f} s  {result}")


def surface():
    u, v, starts = centred()
    best = [search(s, u, v, ln_y, 1e-3)[0] for s in starts]
    share = np.mean(np.array(best) <= min(best) * (1 + 1e-6))
    return f"objective {min(best):.12e}, {100 * share:.0f} % at the optimum"


def resamples(count=4000):
    u, v, starts = centred()
    optimum = min((search(s, u, v, ln_y, 1e-3) for s in starts[::16]), key=lambda found: found[0])[1]
    random = np.random.default_rng(0)
    a = []
    for _ in range(count):
        rows = random.integers(0, len(y), len(y))
        _, theta = search(optimum, u[rows], v[rows], ln_y[rows], 1e-3)
        a.append(theta[1] + theta[4] * ln_d.mean())
    return f"standard error of B {np.std(np.exp(a), ddof=1):.1f}"


def grid(delta=1e-3):
    starts = itertools.product(range(0, 30, 5), range(0, 30, 5), np.arange(-1, 1.1, 0.5), np.arange(0, 2.1, 0.5), np.arange(0, 2.1, 0.5))
    best = [search(np.array(s, float), ln_n, ln_d, ln_y, delta)[0] for s in starts]
    share = np.mean(np.array(best) <= min(best) * (1 + 1e-6))
    return f"objective {min(best):.12e}, {100 * share:.0f} % at the optimum"


def table():
    u, v, starts = centred()
    for delta in (1e-4, 1e-3, 1e-2, 0, -1):
        found = min(search(s, u, v, ln_y, delta)[0] for s in starts)
        print(f"delta {delta:g}: {found:.16e}")


print(f"SciPy {scipy.__version__}, NumPy {np.__version__}")
timed("surface of 240 rows, 192 starts", surface)
timed("4,000 resamples, one start each", resamples)
if "--grid" in sys.argv:
    timed("the literal grid of 4,500 starts", grid)
if "--table" in sys.argv:
    table()
