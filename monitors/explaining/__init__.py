"""What changed, by how much, since when and where: figures of single rows, and one or two sentences of them. Pure."""
