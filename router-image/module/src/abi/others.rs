//! What is asked outside of HTTP filters: the choice of a pool, the end of an attempt, the metrics.

use super::calls::{Header, UPSTREAM_ADDRESS};
use super::{Buffer, Ptr};

const ATTEMPT_COUNT: u32 = 53;

macro_rules! envoy {
    ($($safe:ident = $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        extern "C" { $(#[link_name = concat!("envoy_dynamic_module_callback_", stringify!($name))]
            fn $safe($($argument: $type),*) $(-> $result)?;)* }
    };
}

envoy! {
    selected_header = cluster_specifier_get_request_header_value(c: Ptr, key: Buffer, out: *mut Buffer, index: usize, count: *mut usize) -> bool;
    selected_attribute = cluster_specifier_get_attribute_int(c: Ptr, id: u32, out: *mut u64) -> bool;
    set_cluster = cluster_specifier_set_cluster_name(c: Ptr, name: Buffer);
    set_action = cluster_specifier_set_route_action_override(c: Ptr, name: Buffer) -> bool;
    logged_header = access_logger_get_header_value(l: Ptr, kind: Header, key: Buffer, out: *mut Buffer, index: usize, count: *mut usize) -> bool;
    logged_status = access_logger_get_response_code(l: Ptr) -> u32;
    logged_flags = access_logger_get_response_flags(l: Ptr) -> u64;
    logged_text = access_logger_get_attribute_string(l: Ptr, id: u32, out: *mut Buffer) -> bool;
    register_admin = bootstrap_extension_register_admin_handler(c: Ptr, path: Buffer, help: Buffer, removable: bool, mutates: bool) -> bool;
    init_complete = bootstrap_extension_config_signal_init_complete(c: Ptr);
    admin_body = bootstrap_extension_admin_set_response(c: Ptr, body: Buffer);
}

// SAFETY of all calls below: as for `Envoy`.

/// Envoy asks for the pool of an attempt.
#[derive(Debug)]
pub struct Selection(Ptr);

impl Selection {
    /// # Safety
    /// `context` must be what Envoy gave to the hook that runs.
    pub(super) unsafe fn new(context: Ptr) -> Selection {
        Selection(context)
    }

    /// The first value of a request's header.
    pub fn header(&self, name: &[u8]) -> Option<&[u8]> {
        let (mut out, count) = (Buffer::NONE, std::ptr::null_mut());
        unsafe {
            selected_header(self.0, Buffer::of(name), &raw mut out, 0, count).then(|| out.bytes())
        }
    }

    /// Number of the attempt, from 1; before there is one, 1 too.
    pub fn attempt(&self) -> u64 {
        let mut count = 0;
        unsafe { selected_attribute(self.0, ATTEMPT_COUNT, &raw mut count) };
        count.max(1)
    }

    /// Sends the attempt to a pool.
    pub fn set_pool(&mut self, name: &str) {
        unsafe { set_cluster(self.0, Buffer::of(name.as_bytes())) };
    }

    /// Chooses the route action, with its retry policy; later attempts cannot change it.
    pub fn set_action(&mut self, name: &str) {
        unsafe { set_action(self.0, Buffer::of(name.as_bytes())) };
    }
}

/// An attempt has ended.
#[derive(Debug)]
pub struct Ending(Ptr);

impl Ending {
    /// # Safety
    /// `log` must be what Envoy gave to the hook that runs.
    pub(super) unsafe fn new(log: Ptr) -> Ending {
        Ending(log)
    }

    /// The first value of a request's header.
    pub fn header(&self, name: &[u8]) -> Option<&[u8]> {
        let (mut out, count) = (Buffer::NONE, std::ptr::null_mut());
        let key = Buffer::of(name);
        unsafe {
            logged_header(self.0, Header::Request, key, &raw mut out, 0, count).then(|| out.bytes())
        }
    }

    /// Address and port of the replica that was asked.
    pub fn replica(&self) -> Option<&[u8]> {
        let mut out = Buffer::NONE;
        unsafe { logged_text(self.0, UPSTREAM_ADDRESS, &raw mut out).then(|| out.bytes()) }
    }

    /// Status of the answer; 0 for none.
    pub fn status(&self) -> u32 {
        unsafe { logged_status(self.0) }
    }

    /// Envoy's response flags.
    pub fn flags(&self) -> u64 {
        unsafe { logged_flags(self.0) }
    }
}

/// # Safety
/// `config` must be a bootstrap extension's, in the hook that makes it.
pub(super) unsafe fn start_metrics(config: Ptr, paths: [&str; 2]) {
    let help = Buffer::of(b"What this router has counted");
    for path in paths {
        unsafe { register_admin(config, Buffer::of(path.as_bytes()), help, false, false) };
    }
    unsafe {
        // Without this Envoy never listens.
        init_complete(config);
    }
}

/// # Safety
/// `config` must be a bootstrap extension's, in the hook for a request to the admin interface.
pub(super) unsafe fn answer_admin(config: Ptr, body: &[u8]) {
    unsafe { admin_body(config, Buffer::of(body)) };
}
