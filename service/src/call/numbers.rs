//! Which calls the framework wants.

use abi::{PATHS, native_number};

use super::fd::ARRIVING_NUMBERS;

/// Those that have no path but change where one begins, or have one in a structure.
const BESIDES: &[&str] = &[
    "fchdir", "getcwd", "umask", "fsopen", "unshare", "setns", "clone", "clone3", "fork", "vfork",
    "bind", "connect", "sendto", "sendmsg", "sendmmsg",
];

const fn count() -> usize {
    let (mut at, mut count) = (0, PATHS.len() + ARRIVING_NUMBERS.len());
    while at < BESIDES.len() {
        count += native_number(BESIDES[at]).is_some() as usize;
        at += 1;
    }
    count
}

const fn always() -> [usize; count()] {
    let mut numbers = [0; count()];
    let mut end = 0;
    let mut at = 0;
    while at < PATHS.len() {
        numbers[end] = PATHS[at];
        (end, at) = (end + 1, at + 1);
    }
    at = 0;
    while at < ARRIVING_NUMBERS.len() {
        numbers[end] = ARRIVING_NUMBERS[at];
        (end, at) = (end + 1, at + 1);
    }
    at = 0;
    while at < BESIDES.len() {
        if let Some(number) = native_number(BESIDES[at]) {
            numbers[end] = number;
            end += 1;
        }
        at += 1;
    }
    numbers
}

/// Where there is any service layer.
pub static ALWAYS: [usize; count()] = always();

/// Besides, in a process that has a virtual file open.
pub static HELD: &[usize] = &abi::held::NUMBERS;
