//! What a program without a C library must define.

use core::panic::PanicInfo;

#[global_allocator]
static HEAP: runtime::memory::Heap = runtime::memory::Heap;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    runtime::log::panicked(info)
}

/// Named by the prebuilt `core`, which was built to unwind. Nothing unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As [`rust_eh_personality`].
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    runtime::sys::exit(125)
}
