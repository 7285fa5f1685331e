"""Encoded bytes to a uint8 RGB tensor, or a `BadImage` that says what is wrong with them.

EXIF orientation is ignored and transparency dropped, as torchvision's ImageFolder does.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import torch
import torchvision.io
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from graphssl.data.errors import BadImage
from graphssl.language.diagnostics import first_line

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp", ".gif"})
MAX_PIXELS = 100_000_000
MAX_BYTES = 1 << 28  # of one encoded image
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # not those of Pillow's that start other programs


def decode(data: bytes, path: str) -> Tensor:
    """The image in `data` as uint8 [3 h w]; `path` is only for the message.

    Raises:
        BadImage: empty, truncated, not an image, or more than `MAX_PIXELS` pixels (told from the header alone).
    """
    if not data:
        raise BadImage(path, "is empty")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on size, palettes and EXIF; what matters is raised below
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _pixels(image, data, path)
        except BadImage:
            raise
        except Image.DecompressionBombError:
            raise BadImage(path, f"has more than {MAX_PIXELS:,} pixels") from None
        except UnidentifiedImageError:
            raise BadImage(path, "is not an image in a known format") from None
        except Exception as error:  # Pillow raises most kinds there are for damaged files, depending on the format
            raise BadImage(path, f"cannot be decoded: {first_line(error)}") from None


def _pixels(image: Image.Image, data: bytes, path: str) -> Tensor:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadImage(path, f"has {width} x {height} pixels, more than {MAX_PIXELS:,}")
    if image.format == "JPEG" and image.mode in ("RGB", "L"):
        try:  # about 1.5 (photos) to 4 (32 px) times as fast as Pillow
            encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            pixels: Tensor = torchvision.io.decode_jpeg(encoded, mode=torchvision.io.ImageReadMode.RGB)
            return pixels
        except RuntimeError:
            pass  # Pillow reads some files that torchvision refuses, and knows better what is wrong with the others
    return from_pil(image)


def from_pil(image: Image.Image) -> Tensor:
    """A Pillow image of any mode as uint8 [3 h w]."""
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        image = _eight_bits(image)
    pixels = np.array(image.convert("RGB"))  # h w c
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _eight_bits(image: Image.Image) -> Image.Image:
    """Deep grey images scaled to 8 bits; Pillow itself would clip them to white."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    top = 65535.0 if values.max(initial=0) > 255 else 255.0
    return Image.fromarray((values * (255.0 / top)).round().clip(0, 255).astype(np.uint8))


def extension_of(data: bytes) -> str:
    """What a file of this image is called at its end (`.jpg`), going by its header; "" where it is none in a known format."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return {"JPEG": ".jpg", "TIFF": ".tif"}.get(image.format or "", f".{image.format}".lower())
    except Exception:  # as above
        return ""
