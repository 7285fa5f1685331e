"""What some steps of a run measure of each node: spread and rank of its values, gradient, distance of copies, age of queues.

Nothing is configured: the graph says which nodes hold vectors, weights, slow copies or queues. Measuring changes no number
of the training: values are read beside the step, on the main process, and fetched once at its end.
"""

from graphssl.runtime.measures.measuring import Measuring, Reading

__all__ = ["Measuring", "Reading"]
