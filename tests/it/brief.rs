//! The features of the original brief, with its numbers.

mod weights;
