mod chat;
mod health;
mod models;

pub(crate) use self::{
    chat::{chat, request_id, tell},
    health::{livez, readyz},
    models::{model, models},
};
