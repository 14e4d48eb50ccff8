//! The endpoints of the gateway.

mod chat;
mod completions;
mod count_tokens;
mod health;
mod models;

pub(crate) use self::{
    chat::chat,
    completions::completions,
    count_tokens::count_tokens,
    health::{livez, readyz},
    models::{model, models},
};
