//! The sync protocol over real stores: two sessions and a wire between them, honest and hostile.

mod access;
mod budget;
mod convergence;
mod frames;
mod hostile;
mod mesh;
mod world;
