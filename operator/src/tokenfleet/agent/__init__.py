"""The router's sidecar: watch, render, validate, publish, acknowledge."""
