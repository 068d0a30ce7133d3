//! What Envoy calls of HTTP filters.

use super::{log, Buffer, Envoy, Next, Ptr, VERSION};
use crate::answers::Refusal;
use crate::filter::{Filter, Kind};
use crate::plan::Plan;
use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

/// Runs a hook that no request waits for; nothing unwinds into Envoy.
pub(super) fn guard<R>(otherwise: R, run: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        log("tokenfleet: a hook panicked");
        otherwise
    })
}

fn boxed<T>(made: Option<T>) -> *const c_void {
    made.map_or(std::ptr::null(), |one| Box::into_raw(Box::new(one)).cast())
}

#[no_mangle]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const u8 {
    super::wide::choose();
    VERSION.as_ptr()
}

// SAFETY of all hooks below: Envoy passes what it made itself, or what an earlier hook returned, until
// the hook that destroys it; buffers live through the hook.

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    _: Ptr,
    name: Buffer,
    _: Buffer,
) -> *const c_void {
    guard(std::ptr::null(), || boxed(Kind::of(unsafe { name.bytes() })))
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(kind: *mut Kind) {
    guard((), || drop(unsafe { Box::from_raw(kind) }));
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_per_route_config_new(
    _: Buffer,
    text: Buffer,
) -> *const c_void {
    guard(std::ptr::null(), || match Plan::read(unsafe { text.bytes() }) {
        Ok(plan) => boxed(Some(Arc::new(plan))),
        Err(wrong) => {
            log(&format!("tokenfleet: the plan is refused: {wrong}"));
            std::ptr::null()
        }
    })
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_per_route_config_destroy(
    plan: *mut Arc<Plan>,
) {
    guard((), || drop(unsafe { Box::from_raw(plan) }));
}

/// A filter and whether one of its hooks panicked: then it answers 500 once, and does nothing more.
struct Shell {
    filter: Filter,
    poisoned: Cell<bool>,
}

/// Runs a filter's hook. The filter is borrowed shared: hooks run inside callbacks of other hooks.
unsafe fn hook(
    envoy: Ptr,
    shell: *const Shell,
    poisoned: Next,
    run: impl FnOnce(&Filter, &mut Envoy) -> Next,
) -> u32 {
    let shell = unsafe { &*shell };
    if shell.poisoned.get() {
        return poisoned.code();
    }
    let mut envoy = unsafe { Envoy::new(envoy) };
    if let Ok(next) = catch_unwind(AssertUnwindSafe(|| run(&shell.filter, &mut envoy))) {
        next.code()
    } else {
        shell.poisoned.set(true);
        guard((), || fail(shell, &mut envoy));
        poisoned.code()
    }
}

fn fail(shell: &Shell, envoy: &mut Envoy) {
    log("tokenfleet: a filter panicked; its request is answered with 500");
    let shape = shell.filter.panicked(envoy);
    let refusal = Refusal::new(500, "internal_error", "an internal error of the router");
    let json: &[(&[u8], &[u8])] = &[(b"content-type", b"application/json")];
    // After an answer has begun Envoy cuts it instead.
    envoy.respond(500, json, refusal.body(shape).as_bytes(), "tokenfleet_panic");
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_new(
    kind: *const Kind,
    _: Ptr,
) -> *const c_void {
    guard(std::ptr::null(), || {
        let filter = Filter::new(unsafe { *kind });
        boxed(Some(Shell { filter, poisoned: Cell::new(false) }))
    })
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_destroy(shell: *mut Shell) {
    guard((), || {
        let shell = unsafe { Box::from_raw(shell) };
        shell.filter.destroyed();
    });
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    envoy: Ptr,
    shell: *const Shell,
    end: bool,
) -> u32 {
    unsafe { hook(envoy, shell, Next::Stop, |filter, envoy| filter.request_headers(envoy, end)) }
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_body(
    envoy: Ptr,
    shell: *const Shell,
    end: bool,
) -> u32 {
    unsafe { hook(envoy, shell, Next::Keep, |filter, envoy| filter.request_body(envoy, end)) }
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_trailers(
    envoy: Ptr,
    shell: *const Shell,
) -> u32 {
    unsafe { hook(envoy, shell, Next::Stop, Filter::request_trailers) }
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    envoy: Ptr,
    shell: *const Shell,
    end: bool,
) -> u32 {
    unsafe {
        hook(envoy, shell, Next::Continue, |filter, envoy| filter.response_headers(envoy, end))
    }
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_body(
    envoy: Ptr,
    shell: *const Shell,
    end: bool,
) -> u32 {
    unsafe { hook(envoy, shell, Next::Continue, |filter, envoy| filter.response_body(envoy, end)) }
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_trailers(
    envoy: Ptr,
    shell: *const Shell,
) -> u32 {
    unsafe { hook(envoy, shell, Next::Continue, Filter::response_trailers) }
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_scheduled(
    envoy: Ptr,
    shell: *const Shell,
    event: u64,
) {
    let run = |filter: &Filter, envoy: &mut Envoy| {
        filter.scheduled(envoy, event);
        Next::Continue
    };
    unsafe { hook(envoy, shell, Next::Continue, run) };
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_stream_complete(
    envoy: Ptr,
    shell: *const Shell,
) {
    // Nothing can be answered any more: a panic here must not try to.
    guard((), || {
        let mut envoy = unsafe { Envoy::new(envoy) };
        unsafe { &*shell }.filter.completed(&mut envoy);
    });
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_local_reply(
    envoy: Ptr,
    shell: *const Shell,
    _: u32,
    details: Buffer,
    _: bool,
) -> u32 {
    // Envoy is answering already: a panic here must not answer once more.
    guard(0, || {
        let mut envoy = unsafe { Envoy::new(envoy) };
        unsafe { &*shell }.filter.local_reply(&mut envoy, unsafe { details.bytes() });
        0
    })
}
