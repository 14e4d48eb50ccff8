//! Behaviour in the field: what real providers do, over real sockets.

mod heartbeat;
mod keys;
mod streams;
mod time;
//! The errors and limits of providers as they are met in the field.

mod blocks;
