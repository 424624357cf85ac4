//! Carrying out plans: what `windlass_core::plan` decides is done here, step by step, journalled.
