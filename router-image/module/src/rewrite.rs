//! Edits of a body, applied while its chunks are copied.
