"""The augmentation steps a graph may name: their parameters, defaults and value schemas.

This is the only place where a default of an augmentation is written. It imports neither torch nor numpy, so that
validation, the JSON Schema and the reference page can be made from it without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Param:
    """One parameter of a step.

    Attributes:
        default: the value when the graph does not say.
        schema: JSON Schema of a legal value.
        expected: the same in words, to complete "expected ...".
        doc: one line.
    """

    default: Any
    schema: dict[str, Any]
    expected: str
    doc: str


def _probability(default: float, doc: str) -> Param:
    schema = {"type": "number", "minimum": 0, "maximum": 1}
    return Param(default, schema, "a probability between 0 and 1", f"Probability, per image, that {doc}.")


def _range(default: list[float], lowest: float, highest: float | None, expected: str, doc: str) -> Param:
    number: dict[str, Any] = {"type": "number", "exclusiveMinimum": lowest}
    if highest is not None:
        number["maximum"] = highest
    return Param(default, {"type": "array", "items": number, "minItems": 2, "maxItems": 2}, expected, doc)


def _strength(default: float, doc: str) -> Param:
    return Param(default, {"type": "number", "minimum": 0}, "a number, 0 or more", doc)


def _choice(default: str, *others: str, doc: str) -> Param:
    words = (default, *others)
    return Param(default, {"enum": list(words)}, " or ".join(f"`{word}`" for word in words), doc)


def _three(default: list[float], schema: dict[str, Any], expected: str, doc: str) -> Param:
    return Param(default, {"type": "array", "items": schema, "minItems": 3, "maxItems": 3}, expected, doc)


_PERCENT = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$"}

# Words that stand for a whole value of `normalize`.
NORMALIZATIONS: dict[str, dict[str, list[float]]] = {
    "imagenet": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    # The usual CIFAR-10 constants, as in MoCo's notebook. The std is the mean over images of each image's own std
    # (over all pixels it would be 0.2470, 0.2435, 0.2616).
    "cifar10": {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2023, 0.1994, 0.2010]},
    "none": {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]},
}

# step name -> words allowed in place of the map of parameters, with the map each stands for
SHORTHANDS: dict[str, dict[str, dict[str, Any]]] = {"normalize": dict(NORMALIZATIONS)}

_INTERPOLATION = _choice("bilinear", "bicubic", doc="Filter used to resize; both are antialiased.")

STEPS: dict[str, dict[str, Param]] = {
    "crop": {
        "scale": _range(
            [0.08, 1.0],
            0,
            1,
            "two fractions of the image's area, lowest first",
            "Area of the crop as a fraction of the image's area, drawn uniformly (see `method`).",
        ),
        "ratio": _range(
            [0.75, 1.3333333], 0, None, "two positive numbers, lowest first", "Width of the crop divided by its height."
        ),
        "interpolation": _INTERPOLATION,
        "method": _choice(
            "torchvision",
            "simclr",
            "byol",
            doc="How the window is drawn: torchvision's "
            "RandomResizedCrop, TensorFlow's sample_distorted_bounding_box as SimCLR calls it "
            "(smaller crops: mean area .42, never below .10), or BYOL's single try with clipped sides.",
        ),
    },
    "resize": {
        "size": Param(
            None,
            {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 1}, _PERCENT]},
            'a number of pixels, a percentage of the view\'s size such as "115%", or null',
            "Length of the shorter side afterwards; null is the view's size.",
        ),
        "interpolation": _INTERPOLATION,
    },
    "center_crop": {},
    "pad_crop": {
        "padding": Param(
            4,
            {"type": "integer", "minimum": 0},
            "a number of pixels, 0 or more",
            "Black pixels added on each side before a window of the view's size is cut at random.",
        ),
    },
    "flip": {"p": _probability(0.5, "the image is mirrored left to right")},
    "vertical_flip": {"p": _probability(0.5, "the image is mirrored top to bottom")},
    "rotate": {
        "degrees": Param(
            180.0,
            {"type": "number", "minimum": 0, "maximum": 180},
            "an angle between 0 and 180",
            "Angle in [-x, x].",
        ),
        "p": _probability(1.0, "the image is rotated"),
    },
    "jitter": {
        "brightness": _strength(0.4, "Factor in [max(0, 1-x), 1+x], or an offset in [-x, x] (see `brightness_mode`)."),
        "contrast": _strength(0.4, "Factor in [max(0, 1-x), 1+x]; 0 is the mean grey of the image."),
        "saturation": _strength(0.4, "Factor in [max(0, 1-x), 1+x]; 0 is the grey image."),
        "hue": Param(
            0.1,
            {"type": "number", "minimum": 0, "maximum": 0.5},
            "a number between 0 and 0.5",
            "Shift in [-x, x] of the hue, in turns of the colour circle.",
        ),
        "p": _probability(0.8, "the jitter is applied"),
        "order": _choice("random", "fixed", doc="Order of the four changes: drawn per image, or as listed here."),
        "brightness_mode": _choice(
            "multiplicative",
            "additive",
            doc="Scale the brightness (torchvision, SimCLR v2) or add to it (SimCLR v1, BYOL).",
        ),
    },
    "grayscale": {"p": _probability(0.2, "the image becomes grey")},
    "blur": {
        "sigma": _range(
            [0.1, 2.0],
            0,
            None,
            "two positive numbers of pixels, lowest first",
            "Standard deviation of the Gaussian in pixels, drawn uniformly per image.",
        ),
        "kernel": Param(
            "10%",
            {"anyOf": [{"type": "integer", "minimum": 1, "not": {"multipleOf": 2}}, _PERCENT, {"const": "auto"}]},
            'an odd number of pixels, a percentage of the view\'s size such as "10%", or `auto`',
            "Width of the kernel; a percentage is made odd as SimCLR does, `auto` reaches three sigma.",
        ),
        "p": _probability(0.5, "the image is blurred"),
    },
    "solarize": {
        "threshold": Param(
            0.5,
            {"type": "number", "minimum": 0, "maximum": 1},
            "a number between 0 and 1",
            "Values from here on are inverted.",
        ),
        "p": _probability(0.2, "the image is solarised"),
    },
    "invert": {"p": _probability(0.5, "the image is inverted")},
    "erase": {
        "p": _probability(0.5, "a rectangle is set to zero"),
        "scale": _range(
            [0.02, 0.33],
            0,
            1,
            "two fractions of the view's area, lowest first",
            "Area of the rectangle as a fraction of the view's area.",
        ),
    },
    "normalize": {
        "mean": _three(
            NORMALIZATIONS["imagenet"]["mean"],
            {"type": "number"},
            "three numbers, for red, green, blue",
            "Subtracted from each channel; channels are in [0, 1].",
        ),
        "std": _three(
            NORMALIZATIONS["imagenet"]["std"],
            {"type": "number", "exclusiveMinimum": 0},
            "three positive numbers, for red, green, blue",
            "Each channel is divided by it.",
        ),
    },
}

STEP_DOCS: dict[str, str] = {
    "crop": "Cut a random window and resize it to the view's size.",
    "resize": "Resize the shorter side, keeping the proportions.",
    "center_crop": "Cut the central square of the view's size (black where the image is smaller).",
    "pad_crop": "Pad with black and cut a random square of the view's size: the classic CIFAR crop.",
    "flip": "Mirror left to right.",
    "vertical_flip": "Mirror top to bottom.",
    "rotate": "Rotate around the centre; what comes in from outside is mirrored.",
    "jitter": "Change brightness, contrast, saturation and hue.",
    "grayscale": "Replace the colours by their luminance.",
    "blur": "Convolve with a Gaussian; edges are reflected.",
    "solarize": "Invert the values above a threshold.",
    "invert": "Replace every value by 1 minus it.",
    "erase": "Set a random rectangle to zero (aspect ratio between 0.3 and 3.3).",
    "normalize": "Subtract a mean and divide by a standard deviation, per channel.",
}


def fill_defaults(step: str, value: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """Every parameter of a step, in the table's order: what was written, else the default.

    Args:
        step: a name in `STEPS`.
        value: what the graph says: a map of parameters, one of the step's `SHORTHANDS`, or None for no parameters.

    Raises:
        KeyError: an unknown step, shorthand or parameter. The checks tell the user first, with a line and a hint.
    """
    written = SHORTHANDS.get(step, {})[value] if isinstance(value, str) else dict(value or {})
    unknown = sorted(set(written) - set(STEPS[step]))
    if unknown:
        raise KeyError(f"step `{step}` has no parameter `{unknown[0]}`")
    return {name: written.get(name, param.default) for name, param in STEPS[step].items()}
