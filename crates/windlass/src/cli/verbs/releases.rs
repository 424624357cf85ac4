//! `windlass releases`

use std::fmt::Write as _;

use windlass_core::protocol::{Answer, Ask, ReleaseRecord};

use crate::cli::args::Releases;
use crate::cli::client::{Client, unexpected};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::observe::printable_line;

pub(in crate::cli) async fn run(context: &Context, args: &Releases) -> Result<u8, Failure> {
    let mut client = Client::to_look(context).await?;
    let releases = match client.ask(&Ask::Releases).await? {
        Answer::Releases(releases) => releases,
        _ => return Err(unexpected()),
    };
    let limit = if args.all { releases.len() } else { args.limit as usize };
    context.answer(&releases, || text(&releases, limit))?;
    Ok(0)
}

/// The newest ones, up to the limit.
fn text(releases: &[ReleaseRecord], limit: usize) -> String {
    let mut text = String::new();
    for release in releases.iter().take(limit) {
        let mark = if release.active { '*' } else { ' ' };
        let at = jiff::Timestamp::from_millisecond(release.activated)
            .map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
            .unwrap_or_default();
        let commit = release.commit.as_deref().map_or("-", |commit| &commit[..commit.len().min(9)]);
        let dirty = if release.dirty { "+" } else { "" };
        let gone = if release.available { "" } else { "  (cannot be gone back to: its files were removed)" };
        let _ = writeln!(
            text,
            "{mark} {:5} {at}  {commit}{dirty:1}  {}  {}{gone}",
            release.release,
            printable_line(&release.by),
            printable_line(&release.headline)
        );
    }
    if let Some(more) = releases.len().checked_sub(limit).filter(|more| *more > 0) {
        let _ = writeln!(text, "  ... and {more} older: `windlass releases --all` shows them");
    }
    text
}
