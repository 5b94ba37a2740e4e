"""The non-autoregressive core: layers and algorithms that every model shares and that import no model."""
