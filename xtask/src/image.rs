//! What is promised of the program's file: one static-pie without libc or interpreter, small,
//! with no segment that is writable and executable.

use anyhow::{Context, Result};
use object::Endianness;
use object::elf::{
    DT_NEEDED, ET_DYN, FileHeader32, FileHeader64, PF_W, PF_X, PT_DYNAMIC, PT_GNU_STACK, PT_INTERP,
};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use std::fs;
use std::path::Path;

/// The largest size of the program, in bytes.
const MAX_SIZE: usize = 400_000;

/// What is wrong with the program at `path`; nothing when it keeps every promise.
pub fn faults(path: &Path) -> Result<Vec<String>> {
    let data = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut faults = match data.get(4) {
        Some(1) => structure::<FileHeader32<Endianness>>(&data)?,
        _ => structure::<FileHeader64<Endianness>>(&data)?,
    };
    if data.len() > MAX_SIZE {
        faults.push(format!("{} bytes, more than {MAX_SIZE}", data.len()));
    }
    Ok(faults)
}

fn structure<Header: FileHeader<Endian = Endianness>>(data: &[u8]) -> Result<Vec<String>> {
    let header = Header::parse(data)?;
    let endian = header.endian()?;
    let mut faults = Vec::new();
    if header.e_type(endian) != ET_DYN {
        faults.push("not position independent".into());
    }
    let mut has_dynamic = false;
    let mut has_stack = false;
    for segment in header.program_headers(endian, data)? {
        let flags = segment.p_flags(endian);
        match segment.p_type(endian) {
            PT_INTERP => faults.push("has an interpreter".into()),
            PT_GNU_STACK => has_stack = true,
            PT_DYNAMIC => {
                has_dynamic = true;
                let entries = segment.dynamic(endian, data)?.unwrap_or_default();
                if entries.iter().any(|entry| entry.tag(endian) == DT_NEEDED) {
                    faults.push("needs a shared library".into());
                }
            }
            _ => {}
        }
        if flags & (PF_W | PF_X) == PF_W | PF_X {
            faults.push(format!(
                "the segment at {:#x} is writable and executable",
                segment.p_vaddr(endian).into()
            ));
        }
    }
    if !has_dynamic {
        faults.push("has no dynamic section, so it is no static-pie".into());
    }
    // Without this header the kernel makes stack and, on some machines, all data executable.
    if !has_stack {
        faults.push("does not say that its stack is not executable".into());
    }
    Ok(faults)
}
