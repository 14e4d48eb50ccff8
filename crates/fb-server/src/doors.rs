//! The endpoints of the gateway.

mod completions;
mod health;
mod models;
mod openai_chat;

pub(crate) use self::{
    completions::completions,
    health::{livez, readyz},
    models::{model, models},
    openai_chat::chat,
};
