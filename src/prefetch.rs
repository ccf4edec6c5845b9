//! Telling the processor what memory is read next.

/// Has the cache line where `what` starts brought into the processor's cache,
/// without waiting for it. A hint: where there is no instruction for it,
/// nothing happens.
#[inline(always)]
#[allow(unsafe_code, reason = "a hint is an instruction")]
pub fn prefetch<T>(what: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: it neither reads nor writes as far as the program can see,
        // whatever the address; and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>((&raw const *what).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = what;
}
