"""Telltale: observability and model monitoring for Model-as-a-Service."""

__version__ = "0.1.0"
