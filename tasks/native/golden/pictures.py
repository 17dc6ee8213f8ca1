"""Small images in the forms that importers get wrong, and what Pillow makes of them: `pip install pillow numpy`, then `python pictures.py`."""
import io
import json
import pathlib

import numpy
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent / "pictures"
WIDTH, HEIGHT = 24, 16
y, x = numpy.mgrid[0:HEIGHT, 0:WIDTH]
rgb = Image.fromarray(numpy.stack([x * 10, y * 15, (x + y) * 6], -1).astype(numpy.uint8))
alpha = Image.fromarray((x * 10).astype(numpy.uint8))
grey = rgb.convert("L")


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


FORMS = {
    "plain.png": (rgb, {}),
    "grey.png": (grey, {}),
    "grey-alpha.png": (Image.merge("LA", [grey, alpha]), {}),
    "alpha.png": (Image.merge("RGBA", [*rgb.split(), alpha]), {}),
    "deep.png": (Image.fromarray((x * 2600 + y * 100).astype(numpy.uint16)), {}),
    "palette.png": (rgb.quantize(16), {}),
    "plain.jpg": (rgb, {"quality": 95, "subsampling": 0}),
    "grey.jpg": (grey, {"quality": 95}),
    "cmyk.jpg": (rgb.convert("CMYK"), {"quality": 95, "subsampling": 0}),
    "progressive.jpg": (rgb, {"quality": 95, "progressive": True, "subsampling": 0}),
    **{f"turned-{k}.jpg": (rgb, {"quality": 95, "subsampling": 0, **turned(k)}) for k in (2, 3, 5, 6, 8)},
    "plain.webp": (rgb, {"lossless": True}),
    "plain.gif": (rgb.quantize(32), {}),
    "plain.bmp": (rgb, {}),
}

said = {}
for name, (image, options) in FORMS.items():
    image.save(HERE / name, **options)
    seen = ImageOps.exif_transpose(Image.open(HERE / name))
    if seen.mode.startswith("I"):
        seen = Image.fromarray((numpy.asarray(seen) / 257 + 0.5).astype(numpy.uint8))
    if "A" in seen.mode:
        ground = Image.new("RGBA", seen.size, (255, 255, 255, 255))
        seen = Image.alpha_composite(ground, seen.convert("RGBA"))
    seen = seen.convert("RGB")
    said[name] = {"width": seen.width, "height": seen.height, "pixels": numpy.asarray(seen).tobytes().hex()}
(HERE / "said.json").write_text(json.dumps(said) + "\n")

# Two tables: images as bytes in a column, and as a group with the bytes inside, as datasets have them.
import pyarrow  # noqa: E402
import pyarrow.parquet  # noqa: E402

names = ["plain.jpg", "cmyk.jpg", "plain.png", "alpha.png"]
data = [(HERE / name).read_bytes() for name in names]
captions = ["a smooth field of color", "the same for print", "", None]
columns = {"caption": captions, "aesthetic": [5.5, 4.0, 6.0, None], "synthetic_1": ["one"] * 4, "words": [["a", "b"]] * 4}
for name, image in {"plain": data, "grouped": [{"bytes": one, "path": path} for one, path in zip(data, names)]}.items():
    pyarrow.parquet.write_table(pyarrow.table({"image": image, **columns}), HERE / f"{name}.parquet", row_group_size=2)
