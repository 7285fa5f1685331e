"""Packaging. `graphs/` and `schemas/` lie beside the package in a checkout and inside it in a wheel."""

import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = re.search(r'__version__ = "(.+)"', (here / "graphssl/__init__.py").read_text())[1]

setup(
    name="graphssl",
    version=version,
    description="Self-supervised learning methods as checked, compiled, trained and drawn YAML graphs",
    long_description=(here / "README.md").read_text() if (here / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["graphssl", "graphssl.*"]),
        "graphssl.graphs",
        "graphssl.graphs.curations",
        "graphssl.graphs.recipes",
        "graphssl.schemas",
    ],
    package_dir={"graphssl.graphs": "graphs", "graphssl.schemas": "schemas"},
    package_data={
        "graphssl.views": ["fonts/*"],
        "graphssl.views.page": ["*.html", "*.css", "*.js"],
        "graphssl.graphs": ["*.yaml"],
        "graphssl.graphs.curations": ["*.yaml"],
        "graphssl.graphs.recipes": ["*.yaml"],
        "graphssl.schemas": ["*.json"],
        "graphssl.watch": ["*.html", "*.css", "*.js"],
        "graphssl.pictures": ["*.css", "*.js"],
        "graphssl.report": ["*.css"],
        "graphssl.curate": ["*.css"],
    },
    install_requires=[
        "torch>=2.11",
        "torchvision",
        "timm>=1.0.16",
        "accelerate>=1.10",
        "pyyaml>=6.0",
        "networkx>=3.2",
        "jsonschema>=4.20",
        "rich>=13.7",
        "safetensors>=0.4.3",
        "numpy>=1.26",
        "opencv-python-headless>=4.10",
        "pillow>=10",
        "psutil",
        "pyarrow>=15",
        "faiss-cpu>=1.15",
        "scipy>=1.11",
        "fsspec>=2023.1",
        "resvg_py>=0.5",
        "scikit-learn>=1.4",
    ],
    extras_require={
        "dev": [
            "pytest>=8",
            "pytest-xdist>=3.5",
            "hypothesis>=6.100",
            "ruff>=0.8",
            "mypy>=1.13",
            "build>=1.2",
            "onnx>=1.16",
            "onnxruntime>=1.17",
            "onnxscript>=0.3",
            "types-PyYAML",
            "types-jsonschema",
            "tensorboard>=2.16",
            "playwright>=1.45",
            "webdataset>=0.2.86",
            "datasets>=3",
        ],
        "hf": ["datasets>=3"],  # hf:NAME as data
        "onnx": ["onnx>=1.16", "onnxruntime>=1.17", "onnxscript>=0.3"],
        "ray": ["ray[data]>=2.51,<2.64"],  # graphssl curate on several machines
        "umap": ["umap-learn>=0.5"],  # graphssl project --by umap
        "bench": ["lightly>=1.5"],  # what benchmarks/ compare with
    },
    entry_points={"console_scripts": ["graphssl = graphssl.cli:entry"]},
)
