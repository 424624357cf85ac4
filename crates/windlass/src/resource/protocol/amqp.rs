//! AMQP 0-9-1: a whole opening of a connection, so that account and virtual host are known to be there.

use super::NotReady;
use super::wire::Wire;

const START: (u16, u16) = (10, 10);
const START_OK: (u16, u16) = (10, 11);
const TUNE: (u16, u16) = (10, 30);
const TUNE_OK: (u16, u16) = (10, 31);
const OPEN: (u16, u16) = (10, 40);
const OPEN_OK: (u16, u16) = (10, 41);
const CLOSE: (u16, u16) = (10, 50);
const CLOSE_OK: (u16, u16) = (10, 51);

pub(super) fn ask(wire: &mut Wire, user: &str, password: &str, vhost: &str) -> Result<(), NotReady> {
    wire.send(b"AMQP\x00\x00\x09\x01")?;
    expect(wire, START)?;
    // Our properties: that we understand a refused password (else it only closes the connection).
    let capability = [&short("authentication_failure_close")?[..], b"t\x01"].concat();
    let properties = [&short("capabilities")?[..], b"F", &long(&capability)?].concat();
    let answer = format!("\0{user}\0{password}");
    let start_ok = [long(&properties)?, short("PLAIN")?, long(answer.as_bytes())?, short("en_US")?].concat();
    method(wire, START_OK, &start_ok)?;
    let tune = expect(wire, TUNE)?;
    // Its own limits, and no heartbeats.
    let limits = tune.get(..6).ok_or_else(wrong_protocol)?;
    method(wire, TUNE_OK, &[limits, &[0, 0]].concat())?;
    method(wire, OPEN, &[short(vhost)?, vec![0, 0]].concat())?;
    expect(wire, OPEN_OK)?;
    method(wire, CLOSE, &[&200_u16.to_be_bytes()[..], &short("bye")?, &[0; 4]].concat())?;
    expect(wire, CLOSE_OK).map(|_| ())
}

fn wrong_protocol() -> NotReady {
    NotReady::new("what answers there is not RabbitMQ")
}

/// Sends a method on channel 0.
fn method(wire: &mut Wire, (class, id): (u16, u16), arguments: &[u8]) -> Result<(), NotReady> {
    let payload = [&class.to_be_bytes()[..], &id.to_be_bytes(), arguments].concat();
    wire.send(&[&[1, 0, 0][..], &long(&payload)?, &[0xce]].concat())
}

/// Reads frames until a method comes; its arguments, if it is `wanted`.
fn expect(wire: &mut Wire, wanted: (u16, u16)) -> Result<Vec<u8>, NotReady> {
    // Other frames on channel 0 are heartbeats, of which there are few.
    for _ in 0..10 {
        let [kind, _, _, a, b, c, d] = wire.array::<7>()?;
        if !matches!(kind, 1 | 8) {
            return Err(wrong_protocol());
        }
        let payload = wire.read(u32::from_be_bytes([a, b, c, d]) as usize + 1)?;
        if kind != 1 {
            continue;
        }
        let [a, b, c, d, arguments @ .., 0xce] = payload.as_slice() else { return Err(wrong_protocol()) };
        let method = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
        return match method {
            method if method == wanted => Ok(arguments.to_vec()),
            CLOSE => Err(NotReady::new(format!("it refuses: {}", reason(arguments)))),
            _ => Err(wrong_protocol()),
        };
    }
    Err(wrong_protocol())
}

/// The text of a close: after a code of two bytes a short string.
fn reason(arguments: &[u8]) -> String {
    let text = arguments.get(2).and_then(|&length| arguments.get(3..3 + usize::from(length)));
    String::from_utf8_lossy(text.unwrap_or_default()).escape_debug().to_string()
}

fn short(text: &str) -> Result<Vec<u8>, NotReady> {
    let length = u8::try_from(text.len()).map_err(|_| NotReady::new("a name is longer than 255 bytes"))?;
    Ok([&[length], text.as_bytes()].concat())
}

fn long(bytes: &[u8]) -> Result<Vec<u8>, NotReady> {
    let length = u32::try_from(bytes.len()).map_err(|_| NotReady::new("a name is too long"))?;
    Ok([&length.to_be_bytes(), bytes].concat())
}
