"""What happened: projects, sessions, outputs, feedback, signals, embeddings, search."""
