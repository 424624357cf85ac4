//! Private databases, caches and brokers: initialised and described as processes to keep.
