"""Models of tables: the feature encoder, the two model families, their package and their runtime. NumPy only to predict."""
