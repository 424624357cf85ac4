//! Values for tests, in which everything stands that means something to one reader or another.

use proptest::prelude::*;

/// The largest value that an encrypted file takes, in bytes.
pub(crate) const LARGEST: usize = super::sealed::LARGEST_VALUE;

/// Any value at all, now and then one that is as long as a value can be.
pub(crate) fn any_value() -> impl Strategy<Value = String> {
    let mixed = "([ \t\r\n\"'\\\\$`%#;&=~{}()é𝄞]|\\$\\{[A-Z]?\\}|[^\0]){0,40}";
    prop_oneof![31 => mixed, 1 => mixed.prop_map(|unit| long(&unit))]
}

/// As much of one text after the other as a value can hold.
pub(crate) fn long(unit: &str) -> String {
    let unit = if unit.is_empty() { "\n" } else { unit };
    let text = unit.repeat(LARGEST / unit.len() + 1);
    text[..text.floor_char_boundary(LARGEST)].to_owned()
}
