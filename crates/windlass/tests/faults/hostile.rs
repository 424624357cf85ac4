//! A host side that is not what it seems.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use windlass_testkit::sandbox::{Manifest, Output, Sandbox};

use super::{WINDLASS, line};

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
    let text = r"\u001b[2Jx\u202e\u2066\u009b31m\r\n[   0.0s] forged\u2028y";
    let a_line = frame(format!(r#"{{"line":{{"source":"we\nb","text":"{text}"}}}}"#).as_bytes());
    let record = format!(
        r#"{{"run":"{text}","headline":"{text}","by":"{text}","plan":"","release":null,"previous":null,"commit":null,
            "dirty":false,"began":0,"ended":0,"phases":[],"verdict":"done","requests":{{"served":0,"failed":0,"drained":0,
            "longest_gap_micros":0}},"addresses":["{text}"]}}"#
    );
    let runs = frame(format!(r#"{{"runs":[{record}]}}"#).as_bytes());
    let audit = frame(format!(r#"{{"audit":{{"runs":1,"last":"{text}","faults":["{text}"]}}}}"#).as_bytes());
    let done = frame(br#""done""#);
    let answers: [(&str, Vec<u8>); 8] = [
        ("a frame of 4 GB", [hello.clone(), vec![0xFF; 4], vec![b'x'; 1 << 20]].concat()),
        ("a frame of 10 GB in pieces", [vec![0xFF, 0xFF, 0xFF, 0xFF], vec![b'{'; 4 << 20]].concat()),
        ("no JSON", [hello.clone(), frame(b"\xFF\xFE not json")].concat()),
        ("another answer", [hello.clone(), frame(br#""done""#)].concat()),
        ("escapes", [hello.clone(), frame(refused)].concat()),
        ("lines", [hello.clone(), a_line, done].concat()),
        ("records", [hello.clone(), runs, audit].concat()),
        ("nothing more", hello),
    ];
    for (name, bytes) in answers {
        let path = host.join("sock");
        let _gone = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let began = Instant::now();
        let verb = match name {
            "lines" => "logs",
            "records" => "runs",
            _ => "status",
        };
        let status = sandbox.start(&[verb]);
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
        assert_eq!(output.code == 0, name == "lines", "{name}: {output:?}");
        assert!(!output.all().contains("panicked"), "{name}: {output:?}");
        assert!(is_clean(&output), "{name}: control characters reach the terminal: {output:?}");
        // What is said is there, and passes for no line of somebody else's.
        assert_eq!(output.all().contains("forged"), matches!(verb, "logs" | "runs"), "{name}: {output:?}");
        assert!(!forges(&output), "{name}: {output:?}");
    }
    line.held("8 answers: frames beyond the limit, no JSON, escapes, forged lines, silence; none reached the terminal");
}

#[test]
fn escapes_in_the_applications_log_do_not_reach_the_terminal() {
    let line = line("escapes_in_the_applications_log_do_not_reach_the_terminal");
    // With a line that would pass for one of Windlass's, in what it prints and in its own arguments.
    let text = r"\u001b]0;evil\u0007\u001b[2Jx\u202ey\u2066z\u009b31m\n[   0.0s] forged\u2028";
    let command = format!(r#"["printf", "%s\n", "{text}"]"#);
    let manifest = Manifest {
        more: format!(
            "[build]\nsteps = [{command}]\n[jobs.paint]\ncommand = {command}\nwhen = \"before-start\"\n\
             [services.painter]\ncommand = [\"sh\", \"-c\", \"printf '%s\\\\n' \\\"$0\\\"; exec sleep 1000\", \"{text}\"]\n\
             settle = \"150ms\"\n"
        ),
        ..Manifest::small()
    };
    let sandbox = Sandbox::with(WINDLASS, &manifest);
    let plan = sandbox.succeed(&["plan"]);
    let deploy = sandbox.succeed(&["deploy"]);
    assert!(deploy.stderr.contains("forged"), "{deploy:?}");
    // A command is asked to say it, and says it.
    let run = sandbox.succeed(&["run", "paint"]);
    assert!(run.stdout.contains('x'));
    let logs = sandbox.succeed(&["logs", "painter", "paint"]);
    for output in [&plan, &deploy, &run, &logs] {
        assert!(is_clean(output), "{output:?}");
    }
    for output in [&plan, &deploy, &logs] {
        assert!(!forges(output), "{output:?}");
    }
    // Machines get all of it, and nothing that a terminal would act upon.
    for args in [&["plan", "--json"][..], &["logs", "painter", "--json"], &["run", "paint", "--json"]] {
        let output = sandbox.succeed(args);
        assert!(is_clean(&output) && output.stdout.contains("\\u202e"), "{args:?}: {output:?}");
    }
    sandbox.down();
    line.held(
        "plan, deploy, run and logs print the text without them, and no line that it forges; so does --json",
    );
}

/// Whether nothing in it drives a terminal, turns the direction of writing, or breaks a line unseen.
fn is_clean(output: &Output) -> bool {
    !output.all().chars().any(|c| windlass_core::spec::is_unseen(c) && c != '\n' && c != '\t')
}

/// Whether a line of it begins as one of Windlass's does.
fn forges(output: &Output) -> bool {
    output.all().lines().any(|line| line.starts_with("[   0.0s] forged"))
}
