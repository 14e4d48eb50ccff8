//! Scripted in-process providers and their one-line scenario language.
