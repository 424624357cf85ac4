//! A host side that is not what it seems.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use windlass_testkit::sandbox::{Manifest, Sandbox};

use super::{WINDLASS, deployed, line};

/// What the program says of itself: a host side of another build would be replaced, not believed.
fn build() -> String {
    use std::os::unix::fs::MetadataExt;

    let file = std::fs::metadata(WINDLASS).unwrap();
    format!("{} {:x}-{:x}.{:x}", env!("CARGO_PKG_VERSION"), file.size(), file.mtime(), file.mtime_nsec())
}

#[test]
fn a_hostile_host_side_answers() {
    let line = line("a_hostile_host_side_answers");
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let host = sandbox.environment().join("host");
    std::fs::create_dir_all(&host).unwrap();
    std::fs::create_dir_all(sandbox.environment().join("state")).unwrap();
    std::fs::write(sandbox.environment().join("state/journal.db"), "").unwrap();
    let frame = |body: &[u8]| [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
    let hello = frame(format!(r#"{{"protocol":1,"program":"{}"}}"#, build()).as_bytes());
    let refused =
        br#"{"refused":{"kind":"failed","message":"\u001b]0;evil\u0007\u001b[2Jx\r\ny","hint":"\u009b31m"}}"#;
    let answers: [(&str, Vec<u8>); 6] = [
        ("a frame of 4 GB", [hello.clone(), vec![0xFF; 4], vec![b'x'; 1 << 20]].concat()),
        ("a frame of 10 GB in pieces", [vec![0xFF, 0xFF, 0xFF, 0xFF], vec![b'{'; 4 << 20]].concat()),
        ("no JSON", [hello.clone(), frame(b"\xFF\xFE not json")].concat()),
        ("another answer", [hello.clone(), frame(br#""done""#)].concat()),
        ("escapes", [hello.clone(), frame(refused)].concat()),
        ("nothing more", hello),
    ];
    for (name, bytes) in answers {
        let path = host.join("sock");
        let _gone = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let began = Instant::now();
        let status = sandbox.start(&["status"]);
        while status.runs() {
            if let Ok((mut stream, _)) = listener.accept() {
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                let bytes = bytes.clone();
                std::thread::spawn(move || {
                    let _gone = stream.write_all(&bytes);
                    let mut rest = [0; 4096];
                    while stream.read(&mut rest).is_ok_and(|count| count > 0) {}
                });
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{name}");
            std::thread::sleep(Duration::from_millis(2));
        }
        let output = line.ends(status, Duration::from_secs(60));
        assert_ne!(output.code, 0, "{name}: {output:?}");
        assert!(!output.all().contains("panicked"), "{name}: {output:?}");
        let bad = output.all().chars().any(|c| c.is_control() && c != '\n');
        assert!(!bad, "{name}: control characters reach the terminal: {output:?}");
    }
    line.held("6 answers: frames beyond the limit, no JSON, escapes, silence; all ended in a failure, none reached the terminal");
}

#[test]
fn escapes_in_the_applications_log_do_not_reach_the_terminal() {
    let line = line("escapes_in_the_applications_log_do_not_reach_the_terminal");
    let manifest = Manifest {
        more: "[jobs.paint]\ncommand = [\"printf\", \"\\\\033]0;evil\\\\007\\\\033[2Jx\\\\n\"]\nwhen = \"before-start\"\n".into(),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    let output = sandbox.succeed(&["run", "paint"]);
    assert!(output.stdout.contains('x'));
    assert!(clean(&output.stdout), "{output:?}");
    sandbox.down();
    line.held("`run` prints the text without them");
}

fn clean(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t')
}
