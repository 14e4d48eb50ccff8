mod admin;
mod chat;
mod completions;
mod headers;
mod health;
mod models;

pub(crate) use self::{
    admin::{Admin, admin},
    chat::{chat, request_id, tell},
    completions::completions,
    health::{livez, readyz},
    models::{model, models},
};
