"""Models, one file each: a frozen config and an `nn.Module`, to be read beside the paper; and their specs."""
