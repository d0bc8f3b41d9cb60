"""Label a dataset with people and a model together."""
