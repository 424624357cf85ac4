//! Where settings come from: the environment and `.env` files.
