//! What Envoy calls outside of HTTP filters.

use super::hooks::guard;
use super::others::{answer_admin, start_metrics};
use super::{log, Buffer, Ending, Ptr, Selection, VERSION};
use std::ffi::c_void;

// SAFETY of all hooks below: Envoy passes what it made itself, or what an earlier hook returned; buffers
// live through the hook.

#[no_mangle]
extern "C" fn envoy_dynamic_module_on_cluster_specifier_config_new(
    _: Ptr,
    _: Buffer,
    _: Buffer,
) -> *const c_void {
    VERSION.as_ptr().cast()
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_cluster_specifier_select(
    _: Ptr,
    context: Ptr,
) -> bool {
    guard(false, || crate::filter::select(&mut unsafe { Selection::new(context) }))
}

#[no_mangle]
extern "C" fn envoy_dynamic_module_on_access_logger_config_new(
    _: Ptr,
    _: Buffer,
    _: Buffer,
) -> *const c_void {
    VERSION.as_ptr().cast()
}

#[no_mangle]
extern "C" fn envoy_dynamic_module_on_access_logger_new(config: Ptr, _: Ptr) -> *const c_void {
    config
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_access_logger_log(log: Ptr, _: Ptr, _: u32) {
    guard((), || crate::filter::attempt_ended(&unsafe { Ending::new(log) }));
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_bootstrap_extension_config_new(
    config: Ptr,
    _: Buffer,
    text: Buffer,
) -> *const c_void {
    guard(std::ptr::null(), || match crate::metrics::start(unsafe { text.bytes() }) {
        Ok(()) => {
            unsafe { start_metrics(config, crate::metrics::PAGES.map(|(path, _)| path)) };
            config.cast_const()
        }
        Err(wrong) => {
            log(&format!("tokenfleet: the extension's configuration is refused: {wrong}"));
            std::ptr::null()
        }
    })
}

#[no_mangle]
extern "C" fn envoy_dynamic_module_on_bootstrap_extension_new(
    config: Ptr,
    _: Ptr,
) -> *const c_void {
    config
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_bootstrap_extension_shutdown(
    _: Ptr,
    _: Ptr,
    done: extern "C" fn(Ptr),
    context: Ptr,
) {
    done(context);
}

#[no_mangle]
unsafe extern "C" fn envoy_dynamic_module_on_bootstrap_extension_admin_request(
    config: Ptr,
    _: Ptr,
    _: Buffer,
    path: Buffer,
    _: Buffer,
) -> u32 {
    guard(500, || {
        let Some(page) = crate::metrics::page(unsafe { path.bytes() }) else { return 404 };
        unsafe { answer_admin(config, page.as_bytes()) };
        200
    })
}

/// Hooks that Envoy looks for and we have no use for.
macro_rules! unused {
    ($($name:ident)*) => { $(#[no_mangle] extern "C" fn $name() {})* };
}

unused! {
    envoy_dynamic_module_on_http_filter_config_http_callout_done
    envoy_dynamic_module_on_http_filter_config_http_stream_complete
    envoy_dynamic_module_on_http_filter_config_http_stream_data
    envoy_dynamic_module_on_http_filter_config_http_stream_headers
    envoy_dynamic_module_on_http_filter_config_http_stream_reset
    envoy_dynamic_module_on_http_filter_config_http_stream_trailers
    envoy_dynamic_module_on_http_filter_config_scheduled
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark
    envoy_dynamic_module_on_http_filter_http_callout_done
    envoy_dynamic_module_on_http_filter_http_stream_complete
    envoy_dynamic_module_on_http_filter_http_stream_data
    envoy_dynamic_module_on_http_filter_http_stream_headers
    envoy_dynamic_module_on_http_filter_http_stream_reset
    envoy_dynamic_module_on_http_filter_http_stream_trailers
    envoy_dynamic_module_on_bootstrap_extension_server_initialized
    envoy_dynamic_module_on_bootstrap_extension_worker_thread_initialized
    envoy_dynamic_module_on_bootstrap_extension_drain_started
    envoy_dynamic_module_on_bootstrap_extension_destroy
    envoy_dynamic_module_on_bootstrap_extension_config_destroy
    envoy_dynamic_module_on_bootstrap_extension_config_scheduled
    envoy_dynamic_module_on_bootstrap_extension_http_callout_done
    envoy_dynamic_module_on_bootstrap_extension_timer_fired
    envoy_dynamic_module_on_bootstrap_extension_file_changed
    envoy_dynamic_module_on_bootstrap_extension_cluster_add_or_update
    envoy_dynamic_module_on_bootstrap_extension_cluster_removal
    envoy_dynamic_module_on_bootstrap_extension_listener_add_or_update
    envoy_dynamic_module_on_bootstrap_extension_listener_removal
    envoy_dynamic_module_on_cluster_specifier_config_destroy
    envoy_dynamic_module_on_access_logger_config_destroy
    envoy_dynamic_module_on_access_logger_destroy
    envoy_dynamic_module_on_access_logger_flush
}
