//! What `-m` is given: `NAME[:KEY=VALUE[,KEY=VALUE]...]`. A backslash takes from the character behind
//! it what meaning it has here.

use alloc::vec::Vec;
use core::fmt;

use crate::shown::Escaped;

/// A module and its arguments, still escaped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spec<'a> {
    /// The module's name.
    pub name: &'a [u8],
    arguments: Option<&'a [u8]>,
}

/// Why a text names no module with arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed<'a> {
    /// There is no name.
    NoName,
    /// An argument is not `KEY=VALUE`.
    NotKeyValue(&'a [u8]),
    /// A key stands there twice.
    Twice(&'a [u8]),
    /// Nothing follows the last backslash.
    Backslash,
}

impl fmt::Display for Malformed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName => f.write_str("there is no name"),
            Self::NotKeyValue(word) => write!(f, "'{}' is not KEY=VALUE", Escaped(word)),
            Self::Twice(key) => write!(f, "argument '{}' is given twice", Escaped(key)),
            Self::Backslash => f.write_str("nothing follows the backslash"),
        }
    }
}

impl<'a> Spec<'a> {
    /// The arguments `text` for a module of that name.
    pub fn of(name: &'a [u8], text: &'a [u8]) -> Result<Self, Malformed<'a>> {
        let spec = Self { name, arguments: (!text.is_empty()).then_some(text) };
        spec.check()
    }

    /// The name without its backslashes.
    pub fn plain_name(self) -> Vec<u8> {
        plain(self.name).collect()
    }

    /// What is behind the colon.
    pub fn text(self) -> &'a [u8] {
        self.arguments.unwrap_or_default()
    }

    /// Reads the text, and finds what is wrong with it.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed<'a>> {
        let (name, arguments) = split(text, b':');
        Self { name, arguments }.check()
    }

    fn check(self) -> Result<Self, Malformed<'a>> {
        let last = self.arguments.unwrap_or(self.name);
        let trailing = last.iter().rev().take_while(|&&byte| byte == b'\\').count();
        if trailing % 2 == 1 {
            return Err(Malformed::Backslash);
        }
        if self.name.is_empty() {
            return Err(Malformed::NoName);
        }
        for (index, argument) in self.arguments().enumerate() {
            let (key, value) = split(argument, b'=');
            if key.is_empty() || value.is_none() {
                return Err(Malformed::NotKeyValue(argument));
            }
            if self.keys().take(index).any(|earlier| earlier == key) {
                return Err(Malformed::Twice(key));
            }
        }
        Ok(self)
    }

    fn arguments(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.arguments;
        core::iter::from_fn(move || {
            let (argument, behind) = split(rest?, b',');
            rest = behind;
            Some(argument)
        })
    }

    /// The keys, in order.
    pub fn keys(self) -> impl Iterator<Item = &'a [u8]> {
        self.arguments().map(|argument| split(argument, b'=').0)
    }

    /// The bytes of the value given for `key`, without its backslashes.
    pub fn bytes(self, key: &[u8]) -> Option<impl Iterator<Item = u8> + 'a> {
        let mut values = self.arguments().map(|argument| split(argument, b'='));
        values.find(|(name, _)| *name == key).map(|(_, value)| plain(value.unwrap_or_default()))
    }

    /// A value with a backslash before all that has a meaning in it.
    pub fn escaped(value: &[u8]) -> impl Iterator<Item = u8> {
        let before = |byte| (b"\\,:=".contains(&byte)).then_some(b'\\');
        value.iter().flat_map(move |&byte| before(byte).into_iter().chain([byte]))
    }

    /// The value given for `key`, without its backslashes.
    pub fn value(self, key: &[u8]) -> Option<Vec<u8>> {
        self.bytes(key).map(Iterator::collect)
    }
}

/// The text before the first `separator` that no backslash precedes, and the text behind it.
fn split(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate() {
        if escaped {
            escaped = false;
        } else if byte == b'\\' {
            escaped = true;
        } else if byte == separator {
            return (&text[..at], Some(&text[at + 1..]));
        }
    }
    (text, None)
}

fn plain(escaped: &[u8]) -> impl Iterator<Item = u8> {
    let mut bytes = escaped.iter().copied();
    core::iter::from_fn(move || match bytes.next()? {
        b'\\' => bytes.next(),
        byte => Some(byte),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arguments() {
        let spec = Spec::parse(b"forward").expect("a name");
        assert_eq!((spec.name, spec.keys().count()), (&b"forward"[..], 0));
        let spec = Spec::parse(br"bind:from=/a\,b\:c,to=d=e:f\\").expect("two arguments");
        assert_eq!(spec.name, b"bind");
        assert_eq!(spec.value(b"from").as_deref(), Some(&b"/a,b:c"[..]));
        assert_eq!(spec.value(b"to").as_deref(), Some(&br"d=e:f\"[..]));
        assert_eq!(spec.value(b"other"), None);
        let escaped: Vec<u8> = Spec::escaped(br"/a,b:c=\").collect();
        assert_eq!(escaped, br"/a\,b\:c\=\\");
        let spec = Spec::parse(b"count:file=").expect("an empty value is one");
        assert_eq!(spec.value(b"file").as_deref(), Some(&b""[..]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases: [(&[u8], Malformed<'_>); 8] = [
            (b"", Malformed::NoName),
            (b":a=b", Malformed::NoName),
            (b"a:", Malformed::NotKeyValue(b"")),
            (b"a:b", Malformed::NotKeyValue(b"b")),
            (b"a:=b", Malformed::NotKeyValue(b"=b")),
            (br"a:b\=c", Malformed::NotKeyValue(br"b\=c")),
            (b"a:b=1,c=2,b=3", Malformed::Twice(b"b")),
            (br"a:b=c\\\", Malformed::Backslash),
        ];
        for (text, wrong) in cases {
            assert_eq!(Spec::parse(text), Err(wrong), "{}", text.escape_ascii());
        }
    }
}
