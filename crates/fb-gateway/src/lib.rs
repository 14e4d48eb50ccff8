//! The fb server: a resilient gateway for OpenAI clients, and the fb command line.
