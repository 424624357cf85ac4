//! The proxy's arguments.

use std::ffi::OsString;
use std::path::PathBuf;

use windlass_core::units::Bytes;

/// `windlass proxy DIR [--workers N] [--access-log PATH [--access-log-size SIZE] [--access-log-keep N]]`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Args {
    /// Where the table and the admin socket are.
    pub(super) directory: PathBuf,
    /// How many threads carry requests.
    pub(super) workers: usize,
    pub(super) access_log: Option<PathBuf>,
    pub(super) access_log_size: u64,
    pub(super) access_log_keep: u32,
}

const USAGE: &str = "usage: windlass proxy DIR [--workers N] \
     [--access-log PATH [--access-log-size SIZE] [--access-log-keep N]]";

impl Args {
    /// Reads them; `cores` is how many processors there are.
    ///
    /// # Errors
    /// What is wrong, and the usage.
    pub(super) fn parse(args: &[OsString], cores: usize) -> Result<Self, String> {
        let mut args = args.iter();
        let directory = args.next().ok_or(USAGE)?;
        let mut parsed = Self {
            directory: PathBuf::from(directory),
            workers: cores.clamp(1, 4),
            access_log: None,
            access_log_size: 64 << 20,
            access_log_keep: 30,
        };
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{} needs a value\n{USAGE}", name.display()))?;
            let text = value.to_string_lossy();
            let wrong = || format!("{text:?} is not a value for {}\n{USAGE}", name.display());
            match name.to_str() {
                Some("--workers") => {
                    parsed.workers =
                        text.parse().ok().filter(|workers| (1..=64).contains(workers)).ok_or_else(wrong)?;
                }
                Some("--access-log") => parsed.access_log = Some(PathBuf::from(value)),
                Some("--access-log-size") => {
                    parsed.access_log_size =
                        text.parse::<Bytes>().map_err(|why| format!("{why}\n{USAGE}"))?.0;
                }
                Some("--access-log-keep") => parsed.access_log_keep = text.parse().map_err(|_| wrong())?,
                _ => return Err(format!("there is no option {}\n{USAGE}", name.display())),
            }
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>(), 16)
    }

    #[test]
    fn options_and_defaults() {
        let args = parse("/p").unwrap();
        assert_eq!((args.workers, args.access_log), (4, None));
        let args =
            parse("/p --workers 2 --access-log /l --access-log-size 1MiB --access-log-keep 0").unwrap();
        assert_eq!(args.workers, 2);
        assert_eq!(
            (args.access_log, args.access_log_size, args.access_log_keep),
            (Some("/l".into()), 1 << 20, 0)
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (line, expected) in [
            ("", "usage"),
            ("/p --workers", "needs a value"),
            ("/p --workers 0", "not a value for --workers"),
            ("/p --threads 3", "no option --threads"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(expected), "{line:?}: {error}");
        }
    }
}
