//! Files and images that somebody damaged: an answer, never a panic.

use super::Random;
use super::file::{File, Section};
use crate::patch::{Blob, ShapeSet, analyze};
use std::vec::Vec;

/// A file with everything that is read: symbols, unwind and exception tables, Go's table.
fn sample() -> Vec<u8> {
    // mov $39,%eax; syscall; ret; nops; call back; jmp *%rax; mov $0x050f,%eax
    let text = [
        0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xe8,
        0xeb, 0xff, 0xff, 0xff, 0x48, 0x8d, 0x15, 0xe4, 0x0f, 0, 0, 0x48, 0x63, 0x04, 0x82, 0x48,
        0x01, 0xd0, 0xff, 0xe0, 0x0f, 0x05, 0x48, 0x3d, 0, 0xf0, 0xff, 0xff, 0xb8, 0x0f, 0x05, 0,
        0, 0xcd, 0x80, 0xc3,
    ];
    let mut file = File::new(&text);
    let data = file.data_vaddr();
    file.symbols.push((file.entry + 16, 2));
    let mut lsda = Vec::from([0xff, 0xff, 0x01, 4, 0, 8, 7, 0]);
    lsda.resize(32, 0);
    let frames = super::eh_frame(file.entry, data + 32, text.len() as u32, data);
    let mut table = Vec::from([0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]);
    for field in [2, 0, file.entry, 0, 0, 0, 0, 72] {
        table.extend_from_slice(&u64::to_le_bytes(field));
    }
    for row in [0, 0, 16, 0, 53, 0] {
        table.extend_from_slice(&u32::to_le_bytes(row));
    }
    let mut at = data;
    for (name, bytes) in [(".gcc_except_table", lsda), (".eh_frame", frames), (".gopclntab", table)]
    {
        file.data.extend_from_slice(&bytes);
        let addr = at;
        at += bytes.len() as u64;
        file.sections.push(Section { name, addr, kind: 1, flags: 2, bytes });
    }
    file.bytes()
}

/// Changes some bytes, mostly those that are headers and tables, or cuts the end off.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.next() % 4 {
        let len = bytes.len() as u64;
        let at = match random.next() % 3 {
            0 => random.next() % 0xb0,
            1 => 0x1000 + random.next() % 0x40,
            _ => 0x2000 + random.next() % (len - 0x2000),
        };
        let value = match random.next() % 4 {
            0 => 0,
            1 => 0xff,
            2 => bytes[at as usize] ^ 1 << (random.next() % 8),
            _ => random.next() as u8,
        };
        bytes[at as usize] = value;
    }
    if random.next().is_multiple_of(16) {
        bytes.truncate((random.next() % bytes.len() as u64) as usize);
    }
}

#[test]
fn damaged_files_have_an_answer() {
    let sample = sample();
    let plan = analyze(&sample, &ShapeSet::default(), &|_| false).expect("sound");
    assert_eq!(plan.sites().len(), 3, "{:?} {:?}", plan.sites(), plan.refused());
    let mut random = Random(0x5eed);
    let (mut patched, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = sample.clone();
        damage(&mut bytes, &mut random);
        let Ok(plan) = analyze(&bytes, &ShapeSet::default(), &|_| false) else {
            refused += 1;
            continue;
        };
        if let Some(blob) = plan.build(None, [0; 6]) {
            let view = Blob::parse(&blob).expect("what was built can be read");
            assert_eq!(view.site_count(), plan.sites().len());
            patched += view.site_count();
        }
    }
    assert!(patched > 10_000 && refused > 100, "{patched} sites, {refused} refused");
}

#[test]
fn damaged_images_have_an_answer() {
    let file = sample();
    let plan = analyze(&file, &ShapeSet::default(), &|_| false).expect("sound");
    let blob = plan.build(None, [1, 2, 3, 4, 5, 6]).expect("in reach");
    let mut random = Random(0xb10b);
    let (mut sound, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = blob.clone();
        for _ in 0..1 + random.next() % 3 {
            let at = random.next() % 0x180;
            bytes[at as usize] = random.next() as u8;
        }
        if random.next().is_multiple_of(16) {
            bytes.truncate((random.next() % bytes.len() as u64) as usize);
        }
        let Some(view) = Blob::parse(&bytes) else {
            refused += 1;
            continue;
        };
        sound += 1;
        view.runs().for_each(|run| assert_eq!(view.text(&run).len() as u64, run.len));
        for offset in (0..view.stub_len() as u32).step_by(61) {
            let _ = (view.site_by_stub_offset(offset), view.original_pc(offset));
        }
        for address in (0xff0..0x1040).step_by(3) {
            let _ = (view.resume_from(address), view.site_by_vaddr(address));
        }
        assert_eq!(view.refused().count(), view.refused().count());
    }
    assert!(sound > 100 && refused > 1000, "{sound} sound, {refused} refused");
}
