"""Several systems on the same test set in one table: quality, paired tests, speed, memory and size."""
