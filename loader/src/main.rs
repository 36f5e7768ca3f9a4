//! The program `vload`.
#![no_std]
#![no_main]
use runtime as _;
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
