"""An engine simulator: vLLM's HTTP surface and metric names, without a model.

It starts in a second, needs a few MiB, and behaves as it is told: stories use it where the speed of
a real engine does not matter. `tests/integration/vllm` holds it to the real one. As an image it is
a program called `vllm` on the PATH, so that a ServingPool's pod template starts it unchanged.
"""
