//! The router's data path, as a dynamic module of Envoy.
//!
//! Pure readers (no Envoy in them): [`json`], [`scan`], [`usage`], [`events`], [`rewrite`].
#![deny(unsafe_code)]

pub mod answer;
pub mod distinct;
pub mod events;
pub mod fault;
pub mod find;
pub mod glance;
pub mod json;
pub mod lines;
pub mod multipart;
pub mod nest;
pub mod number;
pub mod pass;
pub mod rewrite;
pub mod said;
pub mod scan;
pub mod text;
pub mod usage;
pub mod utf8;
pub mod walk;
pub mod wanted;
