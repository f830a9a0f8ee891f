"""The process around us:

private SDK names, fork safety, exit flush, logging, console, uncaught exceptions, diagnostics.
"""
