mod admin;
mod chat;
mod health;
mod models;

pub(crate) use self::{
    admin::{Admin, admin},
    chat::{chat, request_id, tell},
    health::{livez, readyz},
    models::{model, models},
};
