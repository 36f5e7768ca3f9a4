//! How a call came to the kernel.

use super::{Call, Table, X32_BIT, lookup, x32};

/// The way by which a process entered the kernel: it decides which call a number is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Entry {
    /// The processor's own way.
    Native,
    /// The other table's way ([`Table::COMPAT`]): `int $0x80` in a 64-bit process.
    Compat,
    /// The native instruction with an x32 number.
    X32,
}

impl Entry {
    /// The entry of a call that was made with `number` by the native instruction.
    pub fn native(number: usize) -> Self {
        let x32 = Table::NATIVE as u8 == Table::X86_64 as u8 && number & X32_BIT as usize != 0;
        // A negative number has the bit too, and is no call of any kind.
        if x32 && (number as i32) >= 0 { Self::X32 } else { Self::Native }
    }

    /// The call that `number` is when the kernel is entered this way.
    pub fn call(self, number: usize) -> Option<&'static Call> {
        let number = u32::try_from(number).ok()?;
        match self {
            Self::Native => lookup(Table::NATIVE, number),
            Self::Compat => lookup(Table::COMPAT?, number),
            Self::X32 => x32(number),
        }
    }

    /// Whether registers are 32 bits wide to the kernel.
    pub fn is_narrow(self) -> bool {
        match self {
            Self::Native => matches!(Table::NATIVE, Table::I386),
            Self::Compat => true,
            Self::X32 => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_call_by_its_entry() {
        let native = super::super::by_name(Table::NATIVE, "exit_group").map(|(n, _)| n as usize);
        let call = native.and_then(|number| Entry::native(number).call(number));
        assert_eq!(call.map(Call::name), Some("exit_group"));
        assert_eq!(Entry::native(usize::MAX), Entry::Native);
        assert_eq!(Entry::native(0xffff_ffff), Entry::Native);
        assert!(Entry::Native.call(usize::MAX).is_none());
    }
}
