//! `memcpy` and `memmove` of the static binary.
//!
//! Those of musl for x86-64 are one string instruction each, which takes some thirty cycles to begin. Most of what the
//! proxy copies is shorter than that is worth: it copies fifty times in a request, and musl's took a twelfth of the
//! processor's time in it (bench/proxy/README.md).

use std::arch::global_asm;

global_asm!(include_str!("memory.s"));

// Both, since they share an object in musl's library; what is defined here is not taken from there.
#[cfg(target_env = "musl")]
global_asm!(".globl memcpy, memmove", ".set memcpy, windlass_copy", ".set memmove, windlass_copy");

#[cfg(test)]
mod tests {
    unsafe extern "C" {
        fn windlass_copy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8;
    }

    /// Copies within a buffer, and compares all of that with what ought to be in it.
    fn copy(from: usize, to: usize, bytes: usize) {
        let before: Vec<u8> = (0..from.max(to) + bytes + 70).map(|place| (place * 7 % 251) as u8).collect();
        let mut expected = before.clone();
        for (place, byte) in before[from..from + bytes].iter().enumerate() {
            expected[to + place] = *byte;
        }
        let mut buffer = before;
        let start = buffer.as_mut_ptr();
        // SAFETY: both regions lie within the buffer.
        let answer = unsafe { windlass_copy(start.add(to), start.add(from), bytes) };
        assert_eq!(answer as usize, start as usize + to);
        assert!(buffer == expected, "{bytes} bytes from {from} to {to}");
    }

    #[test]
    fn copies_whatever_the_length_and_however_the_regions_overlap() {
        for bytes in (0..330).chain([1000, 2048, 4095, 70_001]) {
            for distance in (0..70).chain([127, 128, 129, 255, bytes, bytes + 1]) {
                copy(3, 3 + distance, bytes);
                copy(3 + distance, 3, bytes);
            }
        }
    }
}
