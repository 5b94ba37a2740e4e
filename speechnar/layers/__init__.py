"""Layers that models share: attention and convolution blocks, encoders, decoders, STFT, features and augmentation."""
