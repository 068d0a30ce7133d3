//! What is compiled twice: for every processor, and for those with wider lanes.

use crate::find;

/// Takes what this processor can run.
pub(super) fn choose() {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has it.
        find::widen(|s| unsafe { plain_pages_avx2(s) });
    }
}

/// # Safety
/// The processor must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn plain_pages_avx2(s: &[u8]) -> usize {
    find::plain_pages(s)
}
