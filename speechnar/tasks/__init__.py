"""Training tasks: the data, losses and validation of each kind of model, for the loop in `train`."""
