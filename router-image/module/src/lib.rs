//! The router's data path, as a dynamic module of Envoy.
//!
//! | part | modules |
//! |---|---|
//! | reads bodies and answers, knows no Envoy | [`scan`], [`multipart`], [`rewrite`], [`caching`], [`usage`], [`events`] |
//! | decides, knows no Envoy | [`plan`], [`choice`], [`endpoint`], [`outside`], [`answers`], [`outcome`], [`strikes`] |
//! | counts | [`counts`], [`stages`], [`users`], [`heavy_hitters`], [`kept`], [`waiting`], [`exposition`] |
//! | acts on requests and attempts | `filter`, `request`, `attempt`, `stream`, `ticket`, `watch`, `metrics` |
//! | the border to Envoy | `abi` |
#![deny(unsafe_code)]

pub mod answer;
pub mod answers;
pub mod caching;
pub mod choice;
pub mod counts;
pub mod distinct;
pub mod document;
pub mod endpoint;
pub mod events;
pub mod exposition;
pub mod fault;
pub mod find;
pub mod glance;
pub mod heavy_hitters;
pub mod held;
pub mod json;
pub mod kept;
pub mod lines;
pub mod multipart;
pub mod nest;
pub mod number;
pub mod outcome;
pub mod outside;
pub mod pass;
pub mod plan;
pub mod repeat;
pub mod rewrite;
pub mod said;
pub mod scan;
pub mod stages;
pub mod strikes;
pub mod text;
pub mod usage;
pub mod users;
pub mod utf8;
pub mod waiting;
pub mod walk;
pub mod wanted;

// Envoy's functions are there in Envoy only: what calls them is left out of programs, tests among them.
#[cfg(all(feature = "envoy", not(test)))]
mod abi;
#[cfg(all(feature = "envoy", not(test)))]
mod attempt;
#[cfg(all(feature = "envoy", not(test)))]
mod filter;
#[cfg(all(feature = "envoy", not(test)))]
mod metrics;
#[cfg(all(feature = "envoy", not(test)))]
mod request;
#[cfg(all(feature = "envoy", not(test)))]
mod stream;
#[cfg(all(feature = "envoy", not(test)))]
mod ticket;
#[cfg(all(feature = "envoy", not(test)))]
mod watch;
