"""From a heap of images to a training set: copies found, benchmarks kept out, images retrieved or sampled."""
