//! What the events of a streamed answer say, for every API.
