//! Processes that use up what they can get.

use std::io::{self, Write};
use std::time::Duration;

use super::processes::LONG;

pub(super) fn flood(count: u64, per_millisecond: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut lines = Vec::new();
    for number in 0..count {
        writeln!(lines, "line {number} of a program that has a lot to say and says it again and again")?;
        if lines.len() > 64 * 1024 || (per_millisecond > 0 && number % per_millisecond == 0) {
            out.write_all(&lines)?;
            lines.clear();
            if per_millisecond > 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
    out.write_all(&lines)?;
    out.flush()?;
    std::thread::sleep(LONG);
    Ok(())
}

pub(super) fn hog(mebibytes: u64) -> io::Result<()> {
    let mut held: Vec<Vec<u8>> = Vec::new();
    for _ in 0..mebibytes {
        // Ones, not zeros: pages of zeros would not be there until they are written.
        held.push(vec![1; 1 << 20]);
    }
    std::thread::sleep(LONG);
    held.first().map_or(Ok(()), |_| Ok(()))
}

pub(super) fn slow_bind(millis: u64, port: u64) -> io::Result<()> {
    std::thread::sleep(Duration::from_millis(millis));
    let port = u16::try_from(port).map_err(io::Error::other)?;
    let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
    for stream in listener.incoming() {
        stream?.write_all(b"hello\n")?;
    }
    Ok(())
}
