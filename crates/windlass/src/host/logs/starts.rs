//! Where in a service's log each of its copies began: all copies of a service, of all releases, write
//! to one file, and whoever asks for one of them must not get the others' older lines.
//!
//! One line for each start, `web.r3.1 PLACE`, the place counted from the log's birth.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use windlass_core::name::{InstanceId, ReleaseId};

use super::follow::end;
use crate::layout::{self, Layout};

/// From this size on the older half is forgotten.
const LARGEST: usize = 64 << 10;

/// Notes that a copy is about to start.
pub(in crate::host) fn begin(layout: &Layout, id: &InstanceId) -> io::Result<()> {
    let path = file(layout, id.service.as_str());
    layout::make_dir(&layout.state().join("starts"), 0o700)?;
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    if known.len() > LARGEST {
        let half = known.get(known.len() / 2..).unwrap_or_default();
        let kept = half.split_once('\n').map_or("", |(_, kept)| kept);
        layout::replace_file(&path, kept.as_bytes(), 0o600)?;
    }
    let place = end(&layout.log(id.service.as_str()));
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.write_all(format!("{id} {place}\n").as_bytes())
}

/// Where a copy began; 0 where nobody knows.
pub(in crate::host) fn of_instance(layout: &Layout, id: &InstanceId) -> u64 {
    let starts = read(layout, id.service.as_str());
    starts.iter().rev().find(|(known, _)| known == id).map_or(0, |(_, place)| *place)
}

/// From where to where a service's log is that of a release: until the first copy of a later release
/// began. `None` where no copy of it is known.
pub(super) fn of_release(layout: &Layout, service: &str, release: ReleaseId) -> Option<(u64, Option<u64>)> {
    let starts = read(layout, service);
    let first = starts.iter().position(|(id, _)| id.release == release)?;
    let next = starts[first..].iter().find(|(id, _)| id.release > release);
    Some((starts[first].1, next.map(|(_, place)| *place)))
}

fn file(layout: &Layout, service: &str) -> PathBuf {
    layout.state().join("starts").join(service)
}

fn read(layout: &Layout, service: &str) -> Vec<(InstanceId, u64)> {
    let text = std::fs::read_to_string(file(layout, service)).unwrap_or_default();
    let line = |line: &str| {
        let (id, place) = line.split_once(' ')?;
        Some((id.parse().ok()?, place.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_core::name::Name;

    fn id(release: u64, replica: u32) -> InstanceId {
        InstanceId { service: Name::new("web").unwrap(), release: ReleaseId(release), replica }
    }

    #[test]
    fn a_release_has_the_lines_between_its_first_start_and_the_next_ones() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::at(directory.path());
        layout.make().unwrap();
        let log = layout.log("web");
        begin(&layout, &id(1, 1)).unwrap();
        std::fs::write(&log, "of r1\n").unwrap();
        begin(&layout, &id(2, 1)).unwrap();
        begin(&layout, &id(2, 2)).unwrap();
        std::fs::write(&log, "of r1\nof r2\n").unwrap();
        begin(&layout, &id(4, 1)).unwrap();
        assert_eq!(of_release(&layout, "web", ReleaseId(1)), Some((0, Some(6))));
        assert_eq!(of_release(&layout, "web", ReleaseId(2)), Some((6, Some(12))));
        assert_eq!(of_release(&layout, "web", ReleaseId(3)), None);
        assert_eq!(of_release(&layout, "web", ReleaseId(4)), Some((12, None)));
        assert_eq!(of_instance(&layout, &id(2, 2)), 6);
        assert_eq!(of_instance(&layout, &id(9, 9)), 0);
    }

    #[test]
    fn what_is_known_does_not_grow_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::at(directory.path());
        layout.make().unwrap();
        layout::make_dir(&layout.state().join("starts"), 0o700).unwrap();
        std::fs::write(file(&layout, "web"), "web.r1.1 7\n".repeat(LARGEST / 8)).unwrap();
        begin(&layout, &id(2, 1)).unwrap();
        let text = std::fs::read_to_string(file(&layout, "web")).unwrap();
        assert!(text.len() < LARGEST && text.ends_with("web.r2.1 0\n"), "{}", text.len());
        assert_eq!(of_instance(&layout, &id(1, 1)), 7);
    }
}
