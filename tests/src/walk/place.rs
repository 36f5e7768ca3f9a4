//! What lies at an address of a traced process, for people.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The mappings of a process at one time, and the symbols of vload if there are any.
#[derive(Default)]
pub struct Places {
    mappings: Vec<Mapping>,
    symbols: BTreeMap<u64, String>,
}

struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    name: String,
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
        let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else { return };
        self.mappings = maps.lines().filter_map(Mapping::parse).collect();
    }

    /// What is at `pc`: file and offset, and the function if it is vload's.
    pub fn name(&self, pc: u64) -> String {
        let Some(mapping) = self.mappings.iter().find(|m| (m.start..m.end).contains(&pc)) else {
            return format!("{pc:#x}");
        };
        let offset = pc - mapping.start + mapping.offset;
        let place = format!("{}+{offset:#x}", mapping.name);
        if mapping.name != "vload" {
            return place;
        }
        // The image is mapped as one piece from its first byte.
        let base = self.mappings.iter().find(|m| m.name == "vload").map_or(0, |m| m.start);
        match self.symbols.range(..=pc - base).next_back() {
            Some((start, name)) => format!("{place} {name}+{:#x}", pc - base - start),
            None => place,
        }
    }
}

impl Mapping {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let offset = words.nth(1)?;
        let name = words.nth(2).unwrap_or("anonymous");
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(Mapping {
            start: number(start)?,
            end: number(end)?,
            offset: number(offset)?,
            name: name.rsplit('/').next()?.into(),
        })
    }
}
