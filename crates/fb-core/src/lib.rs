//! Vocabulary of fb: requests, answers, failures and their consequences, traces.
