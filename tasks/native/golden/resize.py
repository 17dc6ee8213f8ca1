"""Digests of images as Pillow resizes them: `pip install pillow blake3 numpy`, then `python resize.py > resize.json`. Made with Pillow VERSION below."""
import json

import blake3
import numpy
import PIL
from PIL import Image

FILTERS = {"box": Image.Resampling.BOX, "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}
SIZES = [(64, 48, 32, 24), (61, 47, 16, 16), (20, 33, 45, 70), (100, 30, 30, 60), (37, 37, 37, 12), (300, 200, 8, 8)]


def drawn(width, height):
    y, x = numpy.mgrid[0:height, 0:width]
    planes = [(x * 7 + y * 3) % 256, (x * y + 13 * x) % 256, (x * x + 5 * y * y) % 251]
    return Image.fromarray(numpy.stack(planes, -1).astype(numpy.uint8))


cases = []
for name, kind in FILTERS.items():
    for fw, fh, w, h in SIZES:
        data = drawn(fw, fh).resize((w, h), kind).tobytes()
        cases.append({"filter": name, "from_width": fw, "from_height": fh, "width": w, "height": h,
                      "first": list(data[:12]), "blake3": blake3.blake3(data).hexdigest()})
print(json.dumps({"pillow": PIL.__version__, "cases": cases}, indent=1))
