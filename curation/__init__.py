"""What is kept and served: context libraries, training sets, effects."""
