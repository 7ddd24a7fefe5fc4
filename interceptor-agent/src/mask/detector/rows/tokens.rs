//! Keys with a prefix or form of their own, one line a kind, by theme: what makes one is its vendor's documented shape.

macro_rules! tokens {
    ($($name:literal $label:literal $($pattern:literal)+;)*) => {
        &[$(crate::mask::detector::row::Row::token($name, concat!("SECRET_", $label), &[$($pattern),+])),*]
    };
}

pub mod business;
pub mod cloud;
pub mod data;
pub mod developer;
pub mod messages;
pub mod models;
pub mod named;
pub mod payment;

/// Every table of this folder.
pub const ALL: [&[super::Row]; 8] = [
    cloud::ROWS,
    developer::ROWS,
    data::ROWS,
    payment::ROWS,
    messages::ROWS,
    business::ROWS,
    models::ROWS,
    named::ROWS,
];
