//! Consumers of events: terminal, plain lines, JSON lines. They can neither fail nor slow a deploy.
