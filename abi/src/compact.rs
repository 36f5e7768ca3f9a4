//! The rows as they lie in the program: no pointers, so nothing to relocate at start.

use super::calls::ROWS;
use super::{Arg, Returns, Service, Table};

/// No call takes more.
pub const MAX_ARGS: usize = 6;

/// How many tables of numbers there are, in the order of [`super::Table`].
pub(super) const TABLES: usize = 4;

/// Stands where an architecture does not have the call.
pub(super) const NO_NUMBER: u16 = u16::MAX;

/// A row as it is written; it exists at compile time only.
pub(super) struct Row {
    pub name: &'static str,
    pub numbers: [u16; TABLES],
    pub args: &'static [Arg],
    /// The same as they are written: what rows of one text share.
    pub text: &'static str,
    pub returns: Returns,
    pub service: Option<Service>,
}

/// A system call: its name, arguments and result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Call {
    name_at: u16,
    args_at: u16,
    name_len: u8,
    arg_count: u8,
    returns: Returns,
    service: Option<Service>,
}

impl Call {
    /// The kernel's name for it.
    pub fn name(&self) -> &'static str {
        let start = usize::from(self.name_at);
        NAMES.get(start..start + usize::from(self.name_len)).unwrap_or_default()
    }

    /// What its arguments are, as many as it takes.
    pub fn args(&self) -> &'static [Arg] {
        let start = usize::from(self.args_at);
        ARGS.get(start..start + usize::from(self.arg_count)).unwrap_or_default()
    }

    /// What it gives when it succeeds.
    pub const fn returns(&self) -> Returns {
        self.returns
    }

    /// The call that it is to a module, if modules are offered it.
    pub const fn service(&self) -> Option<Service> {
        self.service
    }
}

impl core::fmt::Debug for Call {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

const fn names_len() -> usize {
    let mut len = 0;
    let mut row = 0;
    while row < ROWS.len() {
        len += ROWS[row].name.len();
        row += 1;
    }
    len
}

const fn concatenated() -> [u8; names_len()] {
    let mut bytes = [0; names_len()];
    let mut at = 0;
    let mut row = 0;
    while row < ROWS.len() {
        let name = ROWS[row].name.as_bytes();
        let mut i = 0;
        while i < name.len() {
            bytes[at] = name[i];
            at += 1;
            i += 1;
        }
        row += 1;
    }
    bytes
}

static NAME_BYTES: [u8; names_len()] = concatenated();

static NAMES: &str = match core::str::from_utf8(&NAME_BYTES) {
    Ok(names) => names,
    Err(_) => panic!("names are identifiers"),
};

/// For each row the first one that has its arguments.
const ALIKE: [usize; ROWS.len()] = {
    let mut alike = [0; ROWS.len()];
    let mut row = 0;
    while row < ROWS.len() {
        while !is_same(ROWS[alike[row]].text.as_bytes(), ROWS[row].text.as_bytes()) {
            alike[row] += 1;
        }
        row += 1;
    }
    alike
};

const fn args_len() -> usize {
    let mut len = 0;
    let mut row = 0;
    while row < ROWS.len() {
        if ALIKE[row] == row {
            len += ROWS[row].args.len();
        }
        row += 1;
    }
    len
}

/// The arguments of all rows, once for those that are alike.
static ARGS: [Arg; args_len()] = {
    let mut all = [Arg::Value; args_len()];
    let mut at = 0;
    let mut row = 0;
    while row < ROWS.len() {
        let mut i = 0;
        while i < ROWS[row].args.len() && ALIKE[row] == row {
            all[at] = ROWS[row].args[i];
            at += 1;
            i += 1;
        }
        row += 1;
    }
    all
};

const fn compacted() -> [Call; ROWS.len()] {
    let empty = Call {
        name_at: 0,
        args_at: 0,
        name_len: 0,
        arg_count: 0,
        returns: Returns::Int,
        service: None,
    };
    let mut calls = [empty; ROWS.len()];
    let (mut name_at, mut args_at) = (0, 0);
    let mut row = 0;
    while row < ROWS.len() {
        let Row { name, args, returns, service, .. } = &ROWS[row];
        assert!(name_at + name.len() <= u16::MAX as usize && name.len() <= u8::MAX as usize);
        assert!(args.len() <= MAX_ARGS);
        let mut shared = calls[ALIKE[row]].args_at;
        if ALIKE[row] == row {
            shared = args_at;
            args_at += args.len() as u16;
        }
        calls[row] = Call {
            name_at: name_at as u16,
            args_at: shared,
            name_len: name.len() as u8,
            arg_count: args.len() as u8,
            returns: *returns,
            service: *service,
        };
        name_at += name.len();
        row += 1;
    }
    calls
}

pub(super) static CALLS: [Call; ROWS.len()] = compacted();

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The number that a table has for a name.
pub(super) const fn number(table: Table, name: &str) -> Option<usize> {
    let mut row = 0;
    while row < ROWS.len() {
        let number = ROWS[row].numbers[table as usize];
        if number != NO_NUMBER && is_same(ROWS[row].name.as_bytes(), name.as_bytes()) {
            return Some(number as usize);
        }
        row += 1;
    }
    None
}

const fn has_path(row: &Row) -> bool {
    let mut at = 0;
    while at < row.args.len() {
        if matches!(row.args[at], Arg::Path | Arg::PathAt(_)) {
            return true;
        }
        at += 1;
    }
    false
}

/// How many calls of a table have a path.
pub(super) const fn count_paths(table: Table) -> usize {
    let (mut row, mut count) = (0, 0);
    while row < ROWS.len() {
        let there = ROWS[row].numbers[table as usize] != NO_NUMBER;
        count += (there && has_path(&ROWS[row])) as usize;
        row += 1;
    }
    count
}

/// The numbers of the calls of a table that have a path.
pub(super) const fn paths<const N: usize>(table: Table) -> [usize; N] {
    let mut numbers = [0; N];
    let (mut row, mut at) = (0, 0);
    while row < ROWS.len() {
        let number = ROWS[row].numbers[table as usize];
        if number != NO_NUMBER && has_path(&ROWS[row]) {
            numbers[at] = number as usize;
            at += 1;
        }
        row += 1;
    }
    numbers
}

const fn highest_number() -> usize {
    let mut highest = 0;
    let mut row = 0;
    while row < ROWS.len() {
        let mut table = 0;
        while table < TABLES {
            let number = ROWS[row].numbers[table];
            if number != NO_NUMBER && number as usize > highest {
                highest = number as usize;
            }
            table += 1;
        }
        row += 1;
    }
    highest
}

/// One more than the highest number of any table.
pub const NUMBERS: usize = highest_number() + 1;

const fn indexed(table: Table) -> [u16; NUMBERS] {
    let mut indexes = [NO_NUMBER; NUMBERS];
    let mut row = 0;
    while row < ROWS.len() {
        let number = ROWS[row].numbers[table as usize];
        if number != NO_NUMBER {
            let entry = &mut indexes[number as usize];
            assert!(*entry == NO_NUMBER, "two rows claim one number");
            *entry = row as u16;
        }
        row += 1;
    }
    indexes
}

/// By number, the index into [`CALLS`]. Each table's is one of its own: a program has those that it asks.
pub(super) fn indexes(table: Table) -> &'static [u16; NUMBERS] {
    static X86_64: [u16; NUMBERS] = indexed(Table::X86_64);
    static I386: [u16; NUMBERS] = indexed(Table::I386);
    static AARCH64: [u16; NUMBERS] = indexed(Table::Aarch64);
    static RISCV64: [u16; NUMBERS] = indexed(Table::Riscv64);
    match table {
        Table::X86_64 => &X86_64,
        Table::I386 => &I386,
        Table::Aarch64 => &AARCH64,
        Table::Riscv64 => &RISCV64,
    }
}

/// All are read-only and shared by every process: small, so that they cost few pages.
const _: () = assert!(
    size_of_val(&CALLS)
        + size_of_val(&ARGS)
        + size_of_val(&NAME_BYTES)
        + size_of::<[u16; NUMBERS]>() * TABLES
        < 16 * 1024
);
