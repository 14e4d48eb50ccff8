//! Behaviour in the field: what real providers do, over real sockets.

mod keys;
mod streams;
