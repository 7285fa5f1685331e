"""One training step of SimCLR, MoCo v2, BYOL and DINO, written by hand in PyTorch: the floor that graphssl is measured against.

Each is what an expert writes for one process, with the numbers of the bundled graph's variant `@quick`, and gives that
graph's losses and weights (tests/benchmarks/test_handwritten.py). The encoder is passed in, so that all have the same one.
"""
