"""From manifests to batches: `features` computes and caches, `dataset` draws batches, `batch` is what a model sees."""
