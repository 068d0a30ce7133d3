"""The real KEDA in a cluster of tests: its operator and its metrics server, built from their module.

    API server -> metrics server -> operator -> Prometheus
        ^                              |
        `--- scale of a ServingPool ---'

They are pods of KEDA's own manifests, under the names of its images. What a ScaledObject with a trigger
for Prometheus never reaches is left out of the build: see `source`.
"""
