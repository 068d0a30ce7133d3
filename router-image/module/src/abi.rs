//! The border to Envoy: the only place with `unsafe` code.
//!
//! Declared by hand from the interface's header (Apache-2.0), `source/extensions/dynamic_modules/abi/abi.h`
//! of Envoy 1.40: the few functions that are used. A module works with the minor version it was written
//! for and the next one; Envoy only warns about others, so build, tests and agent look for its line
//! "Dynamic module ABI version v0.2.0 matched".
//!
//! What makes the safe functions safe:
//!
//! * An [`Envoy`] exists only while a hook runs, and cannot be kept or copied.
//! * Whatever Envoy lends (headers, pieces of bodies) borrows the [`Envoy`]; whatever could end the loan
//!   takes it `&mut`.
//! * Hooks can run inside callbacks, so filters are only ever borrowed shared ([`hooks`]).
//! * What is compiled for wider lanes runs where the processor says that it has them ([`wide`]).
//! * Nothing unwinds into Envoy: every hook catches panics.
#![allow(unsafe_code)]

mod calls;
mod entry;
mod hooks;
mod others;
mod wide;

use std::ffi::c_void;

pub use calls::{log, Body, Envoy, Header, Headers, Scheduler};
pub use others::{Ending, Selection};

/// The version of the interface.
const VERSION: &[u8] = b"v0.2.0\0";

/// An object of Envoy's or ours, as the other side sees it.
type Ptr = *mut c_void;

/// Bytes of either side. A null pointer stands for nothing.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct Buffer {
    start: *const u8,
    length: usize,
}

impl Buffer {
    const NONE: Buffer = Buffer { start: std::ptr::null(), length: 0 };

    fn of(bytes: &[u8]) -> Buffer {
        Buffer { start: bytes.as_ptr(), length: bytes.len() }
    }

    /// # Safety
    /// The bytes must stay as they are for as long as `'a`.
    unsafe fn bytes<'a>(self) -> &'a [u8] {
        if self.start.is_null() {
            return &[];
        }
        // SAFETY: Envoy says so, and the caller that they stay.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}

/// What a hook tells Envoy to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Continue,
    /// Stay at this filter; a body is kept in Envoy's buffer.
    Stop,
    /// Stay at this filter; the filter keeps the body.
    Keep,
}

impl Next {
    fn code(self) -> u32 {
        match self {
            Next::Continue => 0,
            Next::Stop => 1,
            Next::Keep => 3,
        }
    }
}
