//! Answers every hook at once and sends all requests to one pool: no router that is a module can cost
//! less than this in the same configuration.
//!
//! Pool and route action are those that the environment names when this is built.

use std::ffi::c_void;

type Ptr = *const c_void;

#[repr(C)]
pub struct Buffer {
    start: *const u8,
    length: usize,
}

impl Buffer {
    const fn of(text: &'static str) -> Buffer {
        Buffer { start: text.as_ptr(), length: text.len() }
    }
}

const VERSION: &[u8] = b"v0.2.0\0";
const POOL: &str = env!("EMPTY_MODULE_POOL");
const ACTION: &str = env!("EMPTY_MODULE_ACTION");

extern "C" {
    fn envoy_dynamic_module_callback_bootstrap_extension_config_signal_init_complete(config: Ptr);
    fn envoy_dynamic_module_callback_cluster_specifier_set_cluster_name(context: Ptr, name: Buffer);
    fn envoy_dynamic_module_callback_cluster_specifier_set_route_action_override(
        context: Ptr,
        name: Buffer,
    ) -> bool;
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_program_init() -> *const u8 {
    VERSION.as_ptr()
}

/// # Safety
/// For Envoy to call.
#[no_mangle]
pub unsafe extern "C" fn envoy_dynamic_module_on_bootstrap_extension_config_new(
    config: Ptr,
    _: Buffer,
    _: Buffer,
) -> Ptr {
    // Without this Envoy never listens.
    unsafe {
        envoy_dynamic_module_callback_bootstrap_extension_config_signal_init_complete(config)
    };
    VERSION.as_ptr().cast()
}

/// # Safety
/// For Envoy to call.
#[no_mangle]
pub unsafe extern "C" fn envoy_dynamic_module_on_cluster_specifier_select(
    _: Ptr,
    context: Ptr,
) -> bool {
    unsafe {
        envoy_dynamic_module_callback_cluster_specifier_set_cluster_name(context, Buffer::of(POOL));
        envoy_dynamic_module_callback_cluster_specifier_set_route_action_override(
            context,
            Buffer::of(ACTION),
        )
    }
}

#[no_mangle]
pub extern "C" fn envoy_dynamic_module_on_bootstrap_extension_shutdown(
    _: Ptr,
    _: Ptr,
    done: extern "C" fn(Ptr),
    context: Ptr,
) {
    done(context);
}

/// Hooks that make something: any address will do.
macro_rules! made {
    ($($name:ident)*) => {
        $(#[no_mangle] pub extern "C" fn $name() -> Ptr { VERSION.as_ptr().cast() })*
    };
}

made! {
    envoy_dynamic_module_on_access_logger_config_new
    envoy_dynamic_module_on_access_logger_new
    envoy_dynamic_module_on_bootstrap_extension_new
    envoy_dynamic_module_on_cluster_specifier_config_new
    envoy_dynamic_module_on_http_filter_config_new
    envoy_dynamic_module_on_http_filter_new
    envoy_dynamic_module_on_http_filter_per_route_config_new
}

/// Hooks that return nothing, or 0 for "go on".
macro_rules! idle {
    ($($name:ident)*) => { $(#[no_mangle] pub extern "C" fn $name() -> u32 { 0 })* };
}

idle! {
    envoy_dynamic_module_on_access_logger_config_destroy
    envoy_dynamic_module_on_access_logger_destroy
    envoy_dynamic_module_on_access_logger_flush
    envoy_dynamic_module_on_access_logger_log
    envoy_dynamic_module_on_bootstrap_extension_admin_request
    envoy_dynamic_module_on_bootstrap_extension_cluster_add_or_update
    envoy_dynamic_module_on_bootstrap_extension_cluster_removal
    envoy_dynamic_module_on_bootstrap_extension_config_destroy
    envoy_dynamic_module_on_bootstrap_extension_config_scheduled
    envoy_dynamic_module_on_bootstrap_extension_destroy
    envoy_dynamic_module_on_bootstrap_extension_drain_started
    envoy_dynamic_module_on_bootstrap_extension_file_changed
    envoy_dynamic_module_on_bootstrap_extension_http_callout_done
    envoy_dynamic_module_on_bootstrap_extension_listener_add_or_update
    envoy_dynamic_module_on_bootstrap_extension_listener_removal
    envoy_dynamic_module_on_bootstrap_extension_server_initialized
    envoy_dynamic_module_on_bootstrap_extension_timer_fired
    envoy_dynamic_module_on_bootstrap_extension_worker_thread_initialized
    envoy_dynamic_module_on_cluster_specifier_config_destroy
    envoy_dynamic_module_on_http_filter_config_destroy
    envoy_dynamic_module_on_http_filter_config_http_callout_done
    envoy_dynamic_module_on_http_filter_config_http_stream_complete
    envoy_dynamic_module_on_http_filter_config_http_stream_data
    envoy_dynamic_module_on_http_filter_config_http_stream_headers
    envoy_dynamic_module_on_http_filter_config_http_stream_reset
    envoy_dynamic_module_on_http_filter_config_http_stream_trailers
    envoy_dynamic_module_on_http_filter_config_scheduled
    envoy_dynamic_module_on_http_filter_destroy
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark
    envoy_dynamic_module_on_http_filter_http_callout_done
    envoy_dynamic_module_on_http_filter_http_stream_complete
    envoy_dynamic_module_on_http_filter_http_stream_data
    envoy_dynamic_module_on_http_filter_http_stream_headers
    envoy_dynamic_module_on_http_filter_http_stream_reset
    envoy_dynamic_module_on_http_filter_http_stream_trailers
    envoy_dynamic_module_on_http_filter_local_reply
    envoy_dynamic_module_on_http_filter_per_route_config_destroy
    envoy_dynamic_module_on_http_filter_request_body
    envoy_dynamic_module_on_http_filter_request_headers
    envoy_dynamic_module_on_http_filter_request_trailers
    envoy_dynamic_module_on_http_filter_response_body
    envoy_dynamic_module_on_http_filter_response_headers
    envoy_dynamic_module_on_http_filter_response_trailers
    envoy_dynamic_module_on_http_filter_scheduled
    envoy_dynamic_module_on_http_filter_stream_complete
}
