//! How much freed memory glibc's allocator keeps. Elsewhere the allocator is left as it is.

/// Arenas of all threads together. glibc would make eight for each processor, and each keeps what its largest answer
/// took. Nearly all work is done by one thread at a time, and small pieces come from caches of the threads' own.
const ARENAS: i32 = 2;
/// Bytes from which a piece is mapped for itself and returned at once. Said here because glibc would raise it with the
/// largest piece that was ever returned, up to 32 MiB. Less than an answer of 1,000 volumes takes would have the kernel
/// clear its pages anew for each such answer: 10 ms of CPU instead of 7.
const MAPPED_FROM: i32 = 4 * 1024 * 1024;
/// Free bytes at the end of an arena above which they are returned at once; for the same reason.
const KEPT: i32 = 4 * 1024 * 1024;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::c_int;

    // The numbers of <malloc.h>.
    pub(super) const M_TRIM_THRESHOLD: c_int = -1;
    pub(super) const M_MMAP_THRESHOLD: c_int = -3;
    pub(super) const M_ARENA_MAX: c_int = -8;

    unsafe extern "C" {
        /// mallopt(3).
        pub(super) safe fn mallopt(parameter: c_int, value: c_int) -> c_int;
        /// malloc_trim(3).
        pub(super) safe fn malloc_trim(kept: usize) -> c_int;
    }
}

/// Keeps little of what is freed. To be called once, before the first thread is started.
pub fn keep_little() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use glibc::{M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, mallopt};
        for (parameter, value) in [(M_ARENA_MAX, ARENAS), (M_MMAP_THRESHOLD, MAPPED_FROM), (M_TRIM_THRESHOLD, KEPT)] {
            // It fails for values that it does not know, and then all stays as it was.
            let _ = mallopt(parameter, value);
        }
    }
}

/// Returns all that is free to the system. Takes some milliseconds: for times when there is nothing else to do.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    let _ = glibc::malloc_trim(0);
}
