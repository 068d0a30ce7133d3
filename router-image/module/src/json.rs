//! A strict, resumable reader of JSON (RFC 8259).
