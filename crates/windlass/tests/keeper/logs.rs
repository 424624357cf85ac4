//! Log rotation under a process that writes.

use std::io::Read;
use std::path::{Path, PathBuf};

use windlass_core::units::Bytes;

use super::kit::{Kept, until};

/// Parents on a file system that can cut a file's front off, where there is one, and one that can
/// only make holes.
fn parents() -> Vec<PathBuf> {
    [std::env::temp_dir(), "/dev/shm".into()]
        .into_iter()
        .filter(|parent| tempfile::tempdir_in(parent).is_ok())
        .collect()
}

/// All that is still there of a log, oldest first, without what stands for rotated lines.
fn lines(kept: &Kept) -> Vec<String> {
    let mut text = String::new();
    for number in (1..=1000).rev() {
        if let Ok(file) = std::fs::File::open(kept.path(&format!("out.log.{number}.gz"))) {
            flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        }
    }
    let live = std::fs::read(kept.path("out.log")).unwrap();
    text.push_str(std::str::from_utf8(&live).unwrap().trim_start_matches('\0'));
    text.lines().filter(|line| !line.starts_with("[windlass] ")).map(str::to_owned).collect()
}

fn number(line: &str) -> u64 {
    line.split(' ')
        .nth(1)
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("not a whole line: {line:?}"))
}

fn rotated(kept: &Kept) -> usize {
    (1..1000).take_while(|number| kept.path(&format!("out.log.{number}.gz")).exists()).count()
}

/// What a directory takes on its disk.
fn usage(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.blocks() * 512)).sum()
}

// proves: HS-20
#[tokio::test]
async fn every_line_is_kept_once_and_whole() {
    const LINES: u64 = 30_000;
    for parent in parents() {
        let kept = Kept::in_directory(&parent);
        let mut launch = kept.hostile(&["flood", &LINES.to_string(), "20"]);
        launch.log.rotate_at = Bytes(128 << 10);
        launch.log.keep = 1000;
        kept.start(&launch).await.unwrap();
        let last = format!("line {} of", LINES - 1);
        until(|| kept.text("out.log").contains(&last).then_some(())).await;
        until(|| (rotated(&kept) >= 4).then_some(())).await;
        kept.stop().await;
        kept.gone().await;
        let numbers: Vec<u64> = lines(&kept).iter().map(|line| number(line)).collect();
        assert!(numbers.iter().copied().eq(0..LINES), "in {}: {} lines", parent.display(), numbers.len());
    }
}

// proves: HS-20
#[tokio::test]
async fn a_flood_does_not_fill_the_disk() {
    const LINES: u64 = 3_000_000;
    for parent in parents() {
        let kept = Kept::in_directory(&parent);
        let mut launch = kept.hostile(&["flood", &LINES.to_string(), "0"]);
        launch.log.rotate_at = Bytes(1 << 20);
        launch.log.keep = 2;
        kept.start(&launch).await.unwrap();
        let last = format!("line {} of", LINES - 1);
        let mut most = 0;
        until(|| {
            most = most.max(usage(&kept.path("")));
            let tail = std::fs::File::open(kept.path("out.log")).ok()?;
            use std::os::unix::fs::FileExt;
            let mut bytes = [0; 200];
            let at = tail.metadata().ok()?.len().saturating_sub(200);
            let read = tail.read_at(&mut bytes, at).ok()?;
            String::from_utf8_lossy(&bytes[..read]).contains(&last).then_some(())
        })
        .await;
        println!(
            "{}: {} MiB written, at most {} MiB on disk",
            parent.display(),
            (LINES * 78) >> 20,
            most >> 20
        );
        assert!(most < 100 << 20, "{} MiB on disk", most >> 20);
        until(|| (usage(&kept.path("")) < 8 << 20).then_some(())).await;
        kept.stop().await;
        kept.gone().await;
        let numbers: Vec<u64> = lines(&kept).iter().map(|line| number(line)).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice");
        assert_eq!(numbers.last(), Some(&(LINES - 1)));
        assert!(rotated(&kept) <= 2);
    }
}

#[tokio::test]
async fn copies_that_share_a_log_rotate_it_together() {
    let kept = Kept::new();
    let mut launch = kept.hostile(&["flood", "8000", "10"]);
    launch.log.rotate_at = Bytes(64 << 10);
    launch.log.keep = 1000;
    kept.start(&launch).await.unwrap();
    let other = Kept::new();
    other.start(&launch).await.unwrap();
    until(|| (lines(&kept).iter().filter(|line| line.starts_with("line 7999 ")).count() == 2).then_some(()))
        .await;
    until(|| (rotated(&kept) >= 4).then_some(())).await;
    kept.stop().await;
    other.stop().await;
    kept.gone().await;
    other.gone().await;
    let mut numbers: Vec<u64> = lines(&kept).iter().map(|line| number(line)).collect();
    numbers.sort_unstable();
    let twice: Vec<u64> = (0..8000).flat_map(|n| [n, n]).collect();
    let wrong = numbers.iter().zip(&twice).find(|(found, expected)| found != expected);
    assert!(numbers.len() == twice.len() && wrong.is_none(), "{} lines, {wrong:?}", numbers.len());
}
