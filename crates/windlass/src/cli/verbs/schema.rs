//! `windlass schema`

use crate::cli::failure::Failure;
use crate::cli::print::{printed, put_line};

pub(in crate::cli) fn run() -> Result<u8, Failure> {
    let schema = windlass_core::manifest::schema::json_schema();
    printed(put_line(&serde_json::to_string_pretty(&schema).unwrap_or_default())).map(|()| 0)
}
