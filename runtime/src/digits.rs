//! Numbers in the kernel's texts, and in those that vload is given.

/// A decimal number: digits alone.
pub fn decimal<T: TryFrom<u64>>(digits: &[u8]) -> Option<T> {
    T::try_from(number(digits, 10)?).ok()
}

/// A hexadecimal number: digits alone.
pub fn hexadecimal(digits: &[u8]) -> Option<u64> {
    number(digits, 16)
}

#[inline(never)]
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let (first, rest) = digits.split_first()?;
    let digit = |byte: u8| char::from(byte).to_digit(radix).map(u64::from);
    rest.iter().try_fold(digit(*first)?, |value, &byte| {
        value.checked_mul(u64::from(radix))?.checked_add(digit(byte)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_nothing_else() {
        assert_eq!(decimal::<u64>(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(decimal::<u64>(b"18446744073709551616"), None);
        assert_eq!(decimal::<i32>(b"0"), Some(0));
        assert_eq!(decimal::<i32>(b"2147483648"), None);
        assert_eq!(hexadecimal(b"ffffffffffffffff"), Some(u64::MAX));
        assert_eq!(hexadecimal(b"10000000000000000"), None);
        assert_eq!(hexadecimal(b"0aF"), Some(0xaf));
        for wrong in [&b""[..], b"+1", b"-1", b" 1", b"1 ", b"0x1", b"1\0", b"\xff"] {
            assert_eq!(decimal::<u64>(wrong), None, "{wrong:?}");
            assert_eq!(hexadecimal(wrong), None, "{wrong:?}");
        }
    }
}
