"""The training engine: the loop, its options, checkpoints, averaged weights and processes."""
