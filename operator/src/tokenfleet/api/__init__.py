"""The Kubernetes API of Tokenfleet: pydantic models from which the CRDs are generated.

Holds shapes, ranges and defaults, and nothing that acts on them. Imports pydantic and the standard
library only.
"""
