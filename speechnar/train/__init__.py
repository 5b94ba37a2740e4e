"""Training: `loop` is the one loop, `checkpoint` what it writes and reads, `ema` the averaged weights."""
