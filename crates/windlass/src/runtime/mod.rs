//! Runtimes: start, stop and observe instances. They never know why.
