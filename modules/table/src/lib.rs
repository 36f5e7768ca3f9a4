//! A system of two calls, in place of Linux's: what a program asks for by `syscall` and by `int $0x80` has the
//! numbers of VKern (<https://github.com/astroza/vkern>).
//!
//! | number | call |
//! |---|---|
//! | 0 | `exit()` ends the program |
//! | 1 | `print(char *message)` writes the string and a newline to standard output |
//!
//! Any other call is refused with `ENOSYS`, and said on standard error. Programs for this table are linked
//! to no C library.
#![no_std]

use core::ffi::c_long;

use vload_module::abi::INT80;
use vload_module::linux::general::{__NR_exit_group, __NR_write};
use vload_module::raw::{Call, Next, Raw};
use vload_module::{Errno, Layer, get};

const EXIT: usize = 0;
const PRINT: usize = 1;

/// Standard output and standard error.
const OUTPUT: usize = 1;
const ERROR: usize = 2;

struct Table;

impl Raw for Table {
    fn call(&self, layer: Layer<'_>, call: &mut Call, _: Next<'_>) -> c_long {
        match call.number {
            EXIT => {
                // SAFETY: the call takes no memory, and does not come back.
                let _ = unsafe { layer.system(__NR_exit_group, [0; 6]) };
                0
            }
            PRINT => print(layer, call.arguments[0])
                .map_or_else(|Errno(error)| -c_long::from(error), |()| 0),
            number => refuse(layer, number, call.entry),
        }
    }
}

fn print(layer: Layer<'_>, message: usize) -> Result<(), Errno> {
    const PAGE: usize = 4096;
    let mut at = message;
    loop {
        let mut piece = [0; 256];
        // What is behind the page of a string's end may not be there.
        let length = piece.len().min(PAGE - at % PAGE);
        get(&mut piece[..length], at)?;
        let end = piece[..length].iter().position(|&byte| byte == 0);
        write(layer, OUTPUT, &piece[..end.unwrap_or(length)])?;
        if end.is_some() {
            return write(layer, OUTPUT, b"\n");
        }
        at += length;
    }
}

fn write(layer: Layer<'_>, to: usize, mut text: &[u8]) -> Result<(), Errno> {
    while !text.is_empty() {
        let arguments = [to, text.as_ptr() as usize, text.len(), 0, 0, 0];
        // SAFETY: the text is as long as it says.
        let written = unsafe { layer.system(__NR_write, arguments) }?;
        text = text.get(written..).unwrap_or(&[]);
    }
    Ok(())
}

/// Says which call there is not.
fn refuse(layer: Layer<'_>, number: usize, entry: u32) -> c_long {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.cast_signed().unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let sign: &[u8] = if number.cast_signed() < 0 { b"-" } else { b"" };
    let by: &[u8] = if entry == INT80 { b" (int $0x80)\n" } else { b"\n" };
    for text in [b"table: there is no call ", sign, &digits[at..], by] {
        if write(layer, ERROR, text).is_err() {
            break;
        }
    }
    -c_long::from(Errno::NOSYS.0)
}

vload_module::raw_module!(Table, Table, "table", "a system of two calls: 0 exits, 1 prints");
