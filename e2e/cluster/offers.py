"""What the node offers to pods beyond processors and memory."""

from typing import Final

GPU_RESOURCE: Final = "nvidia.com/gpu"
GPUS: Final = "8"
"""As many as the usual server has. The scheduler counts them; no container gets a device."""
STORAGE_CLASS: Final = "standard"
"""The default class; a claim gets a folder of the node, whatever access mode it asks for."""
