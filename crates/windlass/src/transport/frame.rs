//! Frames over any byte stream. See `windlass_core::protocol`.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use windlass_core::protocol::MAX_FRAME;

use crate::wiped::Wiped;

/// How large a message may say that it is before any of it has come, in bytes.
const TRUSTED: usize = 1 << 20;

/// How much of it is read at a time, in bytes.
const PART: usize = 64 << 10;

/// What says how long a message is, in bytes.
const LENGTH: usize = 4;

/// One side of a conversation.
pub struct Frames<R, W> {
    reader: R,
    writer: W,
}

/// Why a frame was not read or written.
#[derive(Debug)]
pub enum FrameError {
    /// The other side has gone.
    Closed,
    /// The other side announced a frame that is too long to be believed.
    TooLong(u32),
    /// What it said cannot be understood.
    Malformed(serde_json::Error),
    /// The connection failed.
    Broken(io::Error),
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Frames<R, W> {
    /// A conversation over this pair.
    pub fn new(reader: R, writer: W) -> Self {
        Self { reader, writer }
    }

    /// The two halves, for reading and writing at the same time.
    pub fn into_halves(self) -> (R, W) {
        (self.reader, self.writer)
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// [`FrameError`] when the other side has gone.
    pub async fn send(&mut self, frame: &impl Serialize) -> Result<(), FrameError> {
        send(&mut self.writer, frame).await
    }

    /// Waits for one frame. Not cancel-safe: a conversation whose `receive` was given up is over.
    ///
    /// # Errors
    /// [`FrameError::Closed`] when the other side ended the conversation between two frames.
    pub async fn receive<T: DeserializeOwned>(&mut self) -> Result<T, FrameError> {
        receive(&mut self.reader).await
    }
}

/// Sends one frame.
///
/// # Errors
/// [`FrameError`] when the other side has gone.
pub async fn send(writer: &mut (impl AsyncWrite + Unpin), frame: &impl Serialize) -> Result<(), FrameError> {
    // It may hold the values of settings. The length is known, and put before it, when it is there: each copy would
    // have to be wiped.
    let mut bytes = Wiped::default();
    bytes.push(&[0; LENGTH]);
    serde_json::to_writer(&mut bytes, frame)?;
    let length = u32::try_from(bytes.len() - LENGTH).ok().filter(|length| *length <= MAX_FRAME);
    let length = length.ok_or(FrameError::TooLong(u32::MAX))?;
    bytes[..LENGTH].copy_from_slice(&length.to_be_bytes());
    writer.write_all(&bytes).await?;
    writer.flush().await?;
    Ok(())
}

/// Waits for one frame.
///
/// # Errors
/// See [`Frames::receive`].
pub async fn receive<T: DeserializeOwned>(reader: &mut (impl AsyncRead + Unpin)) -> Result<T, FrameError> {
    let mut length = [0; LENGTH];
    let mut got = 0;
    while got < length.len() {
        match reader.read(&mut length[got..]).await? {
            0 if got == 0 => return Err(FrameError::Closed),
            0 => return Err(FrameError::Broken(io::ErrorKind::UnexpectedEof.into())),
            more => got += more,
        }
    }
    let length = u32::from_be_bytes(length);
    if length > MAX_FRAME {
        return Err(FrameError::TooLong(length));
    }
    // The peer's word is taken for this much memory; beyond it the buffer grows with what really comes.
    let length = length as usize;
    let mut body = Wiped::with_capacity(length.min(TRUSTED));
    let mut part = Wiped::zeros(length.min(PART));
    while body.len() < length {
        let wanted = part.len().min(length - body.len());
        match reader.read(&mut part[..wanted]).await? {
            0 => return Err(FrameError::Broken(io::ErrorKind::UnexpectedEof.into())),
            more => body.push(&part[..more]),
        }
    }
    Ok(serde_json::from_slice(&body)?)
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("the other side closed the connection"),
            Self::TooLong(length) => write!(f, "the other side announced a message of {length} bytes"),
            Self::Malformed(error) => write!(f, "the other side said what cannot be understood: {error}"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
        }
    }
}

impl std::error::Error for FrameError {}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Broken(error),
        }
    }
}

impl From<serde_json::Error> for FrameError {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<String, FrameError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(receive(&mut &bytes[..]))
    }

    #[test]
    fn a_peer_that_announces_ten_gigabytes_is_not_believed() {
        assert!(matches!(read(&[0xff, 0xff, 0xff, 0xff, b'"']), Err(FrameError::TooLong(_))));
    }

    #[test]
    fn an_end_between_frames_is_told_from_one_inside() {
        assert!(matches!(read(&[]), Err(FrameError::Closed)));
        assert!(matches!(read(&[0, 0]), Err(FrameError::Broken(_))));
        assert!(matches!(read(&[0, 0, 0, 9, b'"']), Err(FrameError::Broken(_))));
    }

    #[test]
    fn what_is_larger_than_is_trusted_comes_in_parts() {
        let text: String = (0..3 << 20).map(|place| char::from(b'a' + (place % 23) as u8)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut bytes = Vec::new();
        runtime.block_on(send(&mut bytes, &text)).unwrap();
        let (mut reader, mut writer) = tokio::io::duplex(1000);
        let received = runtime.block_on(async {
            let (sent, received) = tokio::join!(writer.write_all(&bytes), receive::<String>(&mut reader));
            sent.and(Ok(received)).unwrap()
        });
        assert!(received.unwrap() == text);
    }

    proptest! {
        #[test]
        fn what_is_sent_is_received(text in ".*", noise in prop::collection::vec(any::<u8>(), 0..64)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut bytes = Vec::new();
            runtime.block_on(send(&mut bytes, &text)).unwrap();
            prop_assert_eq!(read(&bytes).unwrap(), text);
            let _ = read(&noise);
        }
    }
}
