//! The router's data path, as a dynamic module of Envoy.
//!
//! Pure readers (no Envoy in them): [`json`], [`scan`], [`usage`], [`events`], [`rewrite`].
#![deny(unsafe_code)]

pub mod events;
pub mod json;
pub mod rewrite;
pub mod scan;
pub mod usage;
