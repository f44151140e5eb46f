"""What comes in from outside: traces over OTLP, readings of GPUs."""
