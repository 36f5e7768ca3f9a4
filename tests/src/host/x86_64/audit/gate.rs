//! What is gate: the section `.gate` of vload's file, and the `syscall` of each stub.
//!
//! A stub is known by what the kernel and the process's memory say, not by what vload was told to
//! do: it lies in an executable mapping that is followed by a link page, whose words lead into the
//! gate; and the instruction is the one that the stub's own description names. Text of the
//! target, patched or not, has neither.

use crate::host::tracer::{Mapping, Pid, read_maps, read_memory};
use anyhow::{Context, Result, bail};
use object::elf::ET_EXEC;
use object::{Object, ObjectSection};
use runtime::patch::{Link, SiteDesc};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Who a call from the gate is made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The target, by a stub of its own.
    Stub,
    /// The target, by the resident.
    Forward,
    /// vload itself.
    Own,
    /// Not from the gate.
    Elsewhere,
    /// From a process that runs without vload.
    Native,
    /// Not made: the thread was killed before it.
    Killed,
}

impl Kind {
    /// The word in the list of calls.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Stub => "stub",
            Kind::Forward => "forward",
            Kind::Own => "own",
            Kind::Elsewhere => "elsewhere",
            Kind::Native => "native",
            Kind::Killed => "killed",
        }
    }
}

/// Where an entry comes from.
pub enum Place {
    /// The gate.
    Gate(Kind),
    /// Anything else: the mapping, and the offset in its file.
    Elsewhere(String),
}

/// What is known of vload's file.
pub struct Program {
    /// Its device and inode.
    pub file: (u64, u64),
    /// Its gate, by offset.
    gate: Range<u64>,
    /// Offsets behind the instructions that make the target's calls.
    forward: [u64; 2],
}

/// The head of the gate (`arch/x86_64/entry.rs`): behind two entries of eight bytes.
const MARK: &[u8] = b"vload-g1";
const MARK_AT: usize = 16;

impl Program {
    /// Reads vload's file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let data = fs::metadata(path)?;
        let object = object::File::parse(bytes.as_slice())
            .with_context(|| format!("{} is no program", path.display()))?;
        let section = object.section_by_name(".gate").context("vload has no section .gate")?;
        let (start, size) = section.file_range().context("the gate is not in vload's file")?;
        let gate = section.data().context("the gate cannot be read")?;
        if gate.get(MARK_AT..MARK_AT + MARK.len()) != Some(MARK) {
            bail!("the gate of {} does not begin as expected", path.display());
        }
        let word = |at: usize| -> Result<u64> {
            let bytes = gate.get(at..).and_then(|rest| rest.first_chunk());
            let distance = i32::from_le_bytes(*bytes.context("the gate's head is cut")?);
            Ok((start + at as u64).wrapping_add_signed(i64::from(distance)))
        };
        let at = MARK_AT + MARK.len();
        Ok(Program {
            file: (data.dev(), data.ino()),
            gate: start..start + size,
            forward: [word(at)?, word(at + 4)?],
        })
    }

    /// The addresses of the gate in a process; nothing where vload is not mapped.
    pub fn gate(&self, maps: &[Mapping]) -> Option<Range<u64>> {
        let mapping = maps.iter().find(|mapping| {
            self.is_mapped(mapping)
                && mapping.executable
                && (mapping.offset..mapping.offset + (mapping.range.end - mapping.range.start))
                    .contains(&self.gate.start)
        })?;
        let start = mapping.range.start + (self.gate.start - mapping.offset);
        Some(start..start + (self.gate.end - self.gate.start))
    }

    /// Whether the range is the gate, all of it in one mapping of vload's file that nobody writes to: so no byte of
    /// the target's is in it.
    pub fn is_gate(&self, maps: &[Mapping], range: &Range<u64>) -> bool {
        let holds = |mapping: &Mapping| {
            mapping.range.start <= range.start && range.end <= mapping.range.end
        };
        self.gate(maps).as_ref() == Some(range)
            && maps.iter().any(|map| holds(map) && self.is_mapped(map) && !map.writable)
    }

    /// The length of the gate.
    pub fn gate_size(&self) -> u64 {
        self.gate.end - self.gate.start
    }

    fn is_mapped(&self, mapping: &Mapping) -> bool {
        let (device, inode) = self.file;
        let number = (libc::major(device), libc::minor(device));
        mapping.inode == inode && mapping.device == number
    }

    /// Where the entry with `ip` behind its instruction comes from.
    pub fn place(&self, pid: Pid, ip: u64) -> Result<Place> {
        let maps = read_maps(pid).with_context(|| format!("the mappings of {pid}"))?;
        let Some(index) = maps.iter().position(|mapping| mapping.range.contains(&(ip - 1))) else {
            return Ok(Place::Elsewhere("no mapping".into()));
        };
        let gate = self.gate(&maps);
        if let Some(gate) = &gate {
            if gate.contains(&(ip - 1)) {
                let offset = ip - gate.start + self.gate.start;
                let forwards = self.forward.contains(&offset);
                return Ok(Place::Gate(if forwards { Kind::Forward } else { Kind::Own }));
            }
            if is_stub(pid, &maps, index, ip, gate) {
                return Ok(Place::Gate(Kind::Stub));
            }
        }
        Ok(Place::Elsewhere(describe(pid, maps.get(..=index).unwrap_or_default(), ip)))
    }
}

/// The last of these mappings as a person knows it: its name, the offset of the entry in its file,
/// and the site in the form of `--skip` where the mapping belongs to a file's text.
fn describe(pid: Pid, maps: &[Mapping], ip: u64) -> String {
    const INSTRUCTION: u64 = 2;
    let Some(mapping) = maps.last() else { return "no mapping".into() };
    let offset = ip - mapping.range.start + mapping.offset;
    let name = if mapping.name.is_empty() { "anonymous memory" } else { &mapping.name };
    // Patched text is mapped from vload's image of it: the file's own first page is further down.
    let file = maps.iter().rev().find_map(|mapping| {
        /// `e_ident` and `e_type` of an ELF file.
        const HEAD: usize = 18;
        const TYPE: usize = 16;
        let mut head = [0; HEAD];
        if mapping.inode == 0 || mapping.offset != 0 {
            return None;
        }
        read_memory(pid, mapping.range.start, &mut head).ok()?;
        let is_fixed = head.get(TYPE..) == Some(&ET_EXEC.0.to_le_bytes()[..]);
        let base = if is_fixed { 0 } else { mapping.range.start };
        head.starts_with(b"\x7fELF").then_some((mapping, base))
    });
    match file {
        Some((file, base)) if mapping.inode != 0 => {
            format!("{name}+{offset:#x} ({}:{:#x})", file.name, ip - INSTRUCTION - base)
        }
        _ => format!("{name}+{offset:#x}"),
    }
}

/// Whether the entry is that of a stub.
fn is_stub(pid: Pid, maps: &[Mapping], index: usize, ip: u64, gate: &Range<u64>) -> bool {
    let (Some(stubs), Some(link)) = (maps.get(index), maps.get(index + 1)) else { return false };
    let is_link_page = stubs.range.end == link.range.start && link.writable && !link.executable;
    if !is_link_page || stubs.writable {
        return false;
    }
    let leads_to_gate = |at| {
        let mut entry = [0; 8];
        read_memory(pid, link.range.start + at, &mut entry).is_ok()
            && gate.contains(&u64::from_le_bytes(entry))
    };
    if ![Link::SYSCALL, Link::INT80].into_iter().all(leads_to_gate) {
        return false;
    }
    // Behind the instruction come at most the instructions moved there, a jump, and the record.
    let mut bytes = [0; u8::MAX as usize + size_of::<SiteDesc>()];
    let length = bytes.len().min((stubs.range.end - ip) as usize);
    let Some(bytes) = bytes.get_mut(..length) else { return false };
    if read_memory(pid, ip, bytes).is_err() {
        return false;
    }
    const INSTRUCTION: u64 = 2;
    let aligned = ip.next_multiple_of(align_of::<SiteDesc>() as u64) - ip;
    (aligned as usize..bytes.len()).step_by(align_of::<SiteDesc>()).any(|at| {
        let record = bytes.get(at..).and_then(|rest| rest.first_chunk());
        record.is_some_and(|record| {
            let record = SiteDesc::from_bytes(record);
            let site = (ip + at as u64).wrapping_add_signed(i64::from(record.site));
            u64::from(record.gate) == at as u64 + INSTRUCTION
                && maps.iter().any(|map| map.executable && map.range.contains(&site))
        })
    })
}
