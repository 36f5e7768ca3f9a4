//! What lies at an address of a traced process, for people.

use crate::host::tracer::{Mapping, read_maps};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The mappings of a process at one time, and the symbols of vload if there are any.
#[derive(Default)]
pub struct Places {
    mappings: Vec<Mapping>,
    symbols: BTreeMap<u64, String>,
}

impl Places {
    /// The symbols of an unstripped vload.
    pub fn with_symbols(vload: Option<&Path>) -> Self {
        let mut places = Places::default();
        let Some(output) =
            vload.and_then(|file| Command::new("nm").arg("-C").arg(file).output().ok())
        else {
            return places;
        };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let mut words = line.splitn(3, ' ');
            if let (Some(address), Some(_), Some(name)) = (words.next(), words.next(), words.next())
                && let Ok(address) = u64::from_str_radix(address, 16)
            {
                places.symbols.insert(address, name.into());
            }
        }
        places
    }

    /// Reads the mappings of `pid`.
    pub fn read(&mut self, pid: i32) {
        self.mappings = read_maps(pid).unwrap_or_default();
    }

    /// What is at `pc`: file and offset, and the function if it is vload's.
    pub fn name(&self, pc: u64) -> String {
        let Some(mapping) = self.mappings.iter().find(|mapping| mapping.range.contains(&pc)) else {
            return format!("{pc:#x}");
        };
        let offset = pc - mapping.range.start + mapping.offset;
        let file = mapping.name.rsplit('/').next().unwrap_or_default();
        let place = format!("{file}+{offset:#x}");
        if file != "vload" {
            return place;
        }
        // The image is mapped as one piece from its first byte.
        let first = self.mappings.iter().find(|mapping| mapping.name.ends_with("/vload"));
        let base = first.map_or(0, |mapping| mapping.range.start);
        match self.symbols.range(..=pc - base).next_back() {
            Some((start, name)) => format!("{place} {name}+{:#x}", pc - base - start),
            None => place,
        }
    }
}
