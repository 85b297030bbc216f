//! Reloads: by signal and by the clock, refused and queued, and the scripts around a daemon's life.

#[cfg(test)]
mod options;
