"""Evidently beside our monitors: its report of a window as evidence, its numbers as metrics. It alarms nobody.

What is compared is decided in `columns.py`, by whom and when in `reports.py`, and `child.py` is the process of its own
in which Evidently runs; `verdict.py` is what each report opens with.
"""
