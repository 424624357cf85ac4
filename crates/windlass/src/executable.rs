//! Whether a binary can run on this machine, by what stands in its first bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The longest header that is looked at.
const HEADER: usize = 64;

/// Why the kernel will not run a file, such as `is built for ARM64, and this machine is x86-64`. `None` where it
/// will, or where that cannot be told: what is no binary at all is for its interpreter to judge.
pub(crate) fn unfit(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
    let mut header = Vec::new();
    file.by_ref().take(HEADER as u64).read_to_end(&mut header).ok()?;
    let why = of_header(&header, length)?;
    // Where others were told to run what the kernel cannot, such as QEMU, they may.
    if others_run() { None } else { Some(why) }
}

fn of_header(header: &[u8], length: u64) -> Option<String> {
    match header {
        [0x7f, b'E', b'L', b'F', ..] => of_elf(header, length),
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => Some("is built for macOS".to_owned()),
        // One that is a script for shells as well runs everywhere.
        [b'M', b'Z', b'q', b'F', b'p', b'D', ..] => None,
        [b'M', b'Z', ..] => Some("is built for Windows".to_owned()),
        _ => None,
    }
}

fn of_elf(header: &[u8], length: u64) -> Option<String> {
    let Some(elf) = Elf::read(header) else { return Some("is cut short".to_owned()) };
    let here = Machine::here()?;
    if !here.runs(&elf.machine) || elf.is_big_endian != cfg!(target_endian = "big") {
        return Some(format!("is built for {}, and this machine is {}", elf.machine.name(), here.name()));
    }
    if !elf.is_program {
        return Some("is no program: it has yet to be linked".to_owned());
    }
    (elf.programs_end > length).then(|| "is cut short".to_owned())
}

/// What the header of an ELF file says (`man 5 elf`).
struct Elf {
    machine: Machine,
    is_big_endian: bool,
    /// An executable or a shared object.
    is_program: bool,
    /// Where the table of what is loaded ends.
    programs_end: u64,
}

impl Elf {
    fn read(header: &[u8]) -> Option<Self> {
        let (is_wide, is_big_endian) = (*header.get(4)? == 2, *header.get(5)? == 2);
        let number = |at: usize, width: usize| {
            let bytes = header.get(at..at + width)?;
            let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
            Some(if is_big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
        };
        let (table, size, count) = match is_wide {
            true => (number(32, 8)?, number(54, 2)?, number(56, 2)?),
            false => (number(28, 4)?, number(42, 2)?, number(44, 2)?),
        };
        Some(Self {
            machine: Machine(number(18, 2)?),
            is_big_endian,
            is_program: matches!(number(16, 2)?, 2 | 3),
            programs_end: table.saturating_add(size * count),
        })
    }
}

/// A processor, by its number in ELF files.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Machine(u64);

impl Machine {
    const X86: Self = Self(3);
    const ARM: Self = Self(40);
    const X86_64: Self = Self(62);
    const ARM64: Self = Self(183);

    /// This one's, where it is one of those that are known here.
    fn here() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::ARM64),
            _ => None,
        }
    }

    /// Whether it may run what was built for another. Kernels of 64 bits mostly run what has 32.
    fn runs(self, other: &Self) -> bool {
        self == *other || matches!((self, *other), (Self::X86_64, Self::X86) | (Self::ARM64, Self::ARM))
    }

    fn name(self) -> String {
        let known = match self {
            Self::X86 => "x86 (32 bits)",
            Self::ARM => "ARM (32 bits)",
            Self::X86_64 => "x86-64",
            Self::ARM64 => "ARM64",
            Self(8) => "MIPS",
            Self(20 | 21) => "PowerPC",
            Self(22) => "S/390",
            Self(243) => "RISC-V",
            Self(other) => return format!("another processor (ELF machine {other})"),
        };
        known.to_owned()
    }
}

/// Whether programs are registered that run foreign binaries.
fn others_run() -> bool {
    let place = Path::new("/proc/sys/fs/binfmt_misc");
    // In a container it is often not to be seen, and holds for it all the same.
    if !place.join("register").exists() {
        return true;
    }
    let registered = std::fs::read_dir(place).into_iter().flatten().flatten();
    registered.map(|entry| entry.file_name()).any(|name| name != "register" && name != "status")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(change: impl FnOnce(&mut Vec<u8>)) -> Option<String> {
        let mut header = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let length = header.len() as u64;
        header.truncate(HEADER);
        change(&mut header);
        of_header(&header, length)
    }

    #[test]
    fn a_binary_of_this_machine_runs_and_no_other() {
        assert_eq!(unfit(&std::env::current_exe().unwrap()), None);
        let Some(here) = Machine::here() else { return };
        let is_for = |name: &str| Some(format!("is built for {name}, and this machine is {}", here.name()));
        assert_eq!(judged(|header| header[18] = 243), is_for("RISC-V"));
        assert_eq!(
            judged(|header| header[18..20].copy_from_slice(&[0x34, 0x12])),
            is_for("another processor (ELF machine 4660)")
        );
        assert_eq!(judged(|header| header[5] = 2).map(|why| why.contains("is built for")), Some(true));
        assert_eq!(
            judged(|header| header[16] = 1),
            Some("is no program: it has yet to be linked".to_owned())
        );
        assert_eq!(judged(|header| header.truncate(40)), Some("is cut short".to_owned()));
        let all = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(of_header(&all[..HEADER], 100), Some("is cut short".to_owned()));
        assert_eq!(of_header(b"MZ\x90", 3), Some("is built for Windows".to_owned()));
        assert_eq!(of_header(&[0xcf, 0xfa, 0xed, 0xfe, 7], 5), Some("is built for macOS".to_owned()));
        for script in [&b"#!/bin/sh"[..], b"", b"\x7fEL", b"echo"] {
            assert_eq!(of_header(script, script.len() as u64), None);
        }
    }
}
