//! Reports as a person sees them.
