"""One file a model: a frozen config and an `nn.Module`, to be read beside its paper."""
