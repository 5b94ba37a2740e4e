"""From recordings to batches.

`corpora` and `kaldi` make manifests, `validate` checks them, `phones` adds phones; `features` computes and caches,
`dataset` draws batches, `batch` is what a model sees.
"""
