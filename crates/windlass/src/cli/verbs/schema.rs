//! `windlass schema`

use crate::cli::context::print_line;
use crate::cli::failure::Failure;

pub(in crate::cli) fn run() -> Result<u8, Failure> {
    let schema = windlass_core::manifest::schema::json_schema();
    print_line(&serde_json::to_string_pretty(&schema).unwrap_or_default());
    Ok(0)
}
