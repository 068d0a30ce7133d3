"""The informer shell: the only importer of kopf."""
