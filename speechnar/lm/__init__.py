"""N-gram language models: estimation, files, scores and perplexity."""
