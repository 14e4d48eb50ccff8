//! Behaviour in the field: what real providers do, over real sockets.

mod heartbeat;
mod keys;
mod streams;
mod time;
