//! Private databases, caches and brokers: initialised and described as processes to keep.

pub mod account;
