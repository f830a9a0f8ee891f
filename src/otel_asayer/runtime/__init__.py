"""The process: private SDK names, forks, exits, logging, console, exceptions, diagnostics."""
