"""Models of tables: feature encoder, the two model families, their package and runtime. NumPy only to predict."""
