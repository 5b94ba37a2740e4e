"""The non-autoregressive core: pure tensor algorithms that import no other room of the package."""
