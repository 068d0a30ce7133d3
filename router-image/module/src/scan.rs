//! What a request's body says about itself, read in chunks.
