//! As much of WebSocket's framing (RFC 6455) as it takes to say goodbye between two frames.

/// A close frame with the code 1001, "going away".
pub(in crate::proxy) const CLOSE_TO_CLIENT: [u8; 4] = [0x88, 0x02, 0x03, 0xE9];
/// The same from a client, which has to mask it.
pub(in crate::proxy) const CLOSE_TO_SERVER: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE9];

/// Follows the frames of one direction.
#[derive(Default)]
pub(in crate::proxy) struct Frames {
    head: [u8; 10],
    head_length: usize,
    payload_left: u64,
}

impl Frames {
    /// Whether the bytes that passed end with the end of a frame.
    pub(in crate::proxy) const fn is_between(&self) -> bool {
        self.head_length == 0 && self.payload_left == 0
    }

    /// These bytes pass.
    pub(in crate::proxy) fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let length = self.payload_left.min(bytes.len() as u64);
                self.payload_left -= length;
                bytes = &bytes[usize::try_from(length).unwrap_or(bytes.len())..];
                continue;
            }
            self.head[self.head_length] = bytes[0];
            self.head_length += 1;
            bytes = &bytes[1..];
            if let Some(left) = self.payload() {
                self.payload_left = left;
                self.head_length = 0;
            }
        }
    }

    /// The length of what follows the head, with the mask, once enough of the head is there.
    fn payload(&self) -> Option<u64> {
        if self.head_length < 2 {
            return None;
        }
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        let (needed, length) = match self.head[1] & 0x7F {
            126 => (4, u64::from(u16::from_be_bytes([self.head[2], self.head[3]]))),
            127 => {
                let mut length = [0; 8];
                length.copy_from_slice(&self.head[2..10]);
                (10, u64::from_be_bytes(length))
            }
            short => (2, u64::from(short)),
        };
        (self.head_length >= needed).then_some(length.saturating_add(mask))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: u64, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x82];
        match length {
            0..126 => frame.push(mask | u8::try_from(length).unwrap()),
            126..65536 => {
                frame.push(mask | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend(vec![0xFF; usize::try_from(length).unwrap() + if masked { 4 } else { 0 }]);
        frame
    }

    #[test]
    fn the_end_of_a_frame_is_known_and_nothing_else_is_taken_for_it() {
        for masked in [false, true] {
            for length in [0, 1, 125, 126, 300, 65535, 65536, 70000] {
                let frame = frame(length, masked);
                let mut frames = Frames::default();
                for (index, byte) in frame.iter().enumerate() {
                    frames.pass(&[*byte]);
                    assert_eq!(frames.is_between(), index + 1 == frame.len(), "{length} {masked} at {index}");
                }
                let mut whole = Frames::default();
                whole.pass(&frame);
                whole.pass(&frame[..1]);
                assert!(!whole.is_between());
            }
        }
    }

    #[test]
    fn our_own_goodbyes_are_frames() {
        for bytes in [&CLOSE_TO_CLIENT[..], &CLOSE_TO_SERVER[..]] {
            let mut frames = Frames::default();
            frames.pass(bytes);
            assert!(frames.is_between());
        }
    }
}
