//! What is written for systemd's `EnvironmentFile=`, read back by systemd's own parser.

use std::path::PathBuf;
use std::process::Command;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use windlass_core::settings::write_environment_file;

use crate::needs::{Need, are_met};

/// The largest value that Windlass keeps, in bytes.
const LARGEST: usize = 64 << 10;

/// Prints what systemd reads in a file, in hex: as it would put it into a service's environment.
pub(crate) const READ: &str = "
import ctypes, sys
read = ctypes.CDLL(sys.argv[1]).load_env_file
read.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.POINTER(ctypes.c_char_p))]
found = ctypes.POINTER(ctypes.c_char_p)()
assert read(None, sys.argv[2].encode(), ctypes.byref(found)) == 0
at = 0
while found[at]:
    print(found[at].hex())
    at += 1
";

/// The library with the parser, where systemd is installed.
pub(crate) fn library() -> Option<PathBuf> {
    let directories =
        ["/usr/lib/systemd", "/usr/lib/x86_64-linux-gnu/systemd", "/usr/lib/aarch64-linux-gnu/systemd"];
    let files =
        directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten();
    let mut paths = files.map(|file| file.path());
    paths.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("libsystemd-shared-"))
}

/// Values in which everything stands that means something to a reader.
fn values() -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let any = r#"([ \t\r\n"'\\$`%#;=é𝄞]|[^\x00]){0,80}"#;
    let mut values: Vec<String> = (0..300).map(|_| any.new_tree(&mut runner).unwrap().current()).collect();
    // As long as a value can be, and each of its places another one.
    for unit in ["\\", "\"", "\n", "'$`\\\"%\n\t ", "ä\\\n"] {
        values.push(unit.repeat(LARGEST / unit.len()));
    }
    let long: String = values.concat();
    values.push(long[..long.floor_char_boundary(LARGEST)].to_owned());
    values.retain(|value| write_environment_file([("A", value.as_str())]).is_ok());
    values
}

#[test]
fn systemd_reads_what_was_written_as_it_was_meant() {
    let Some(library) = library() else {
        eprintln!("left out: systemd is not installed");
        return;
    };
    if !are_met("environment_file", &[Need::Program("python3")]) {
        return;
    }
    let settings: Vec<(String, String)> =
        values().into_iter().enumerate().map(|(at, value)| (format!("N{at}"), value)).collect();
    assert!(settings.len() > 100 && settings.iter().any(|(_, value)| value.len() > LARGEST - 4));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("environment");
    let text = write_environment_file(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    std::fs::write(&file, text.unwrap().as_bytes()).unwrap();
    let output = Command::new("python3").args(["-c", READ]).arg(library).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let hex = |(name, value): &(String, String)| -> String {
        format!("{name}={value}").bytes().map(|byte| format!("{byte:02x}")).collect()
    };
    let read = String::from_utf8(output.stdout).unwrap();
    let read: Vec<&str> = read.lines().collect();
    assert_eq!(read.len(), settings.len());
    for (setting, read) in settings.iter().zip(read) {
        assert!(hex(setting) == read, "{:?} is read as another value", setting.0);
    }
}
