//! The table of detectors, by theme.

mod assignments;
mod aws;
mod credentials;
mod crypto;
mod email;
mod models;
mod national;
mod network;
mod personal;
mod phone;
mod tokens;
mod vendors;

use super::row::Row;

/// Every row, in an order that stays the same from run to run.
pub fn all() -> impl Iterator<Item = &'static Row> {
    [
        aws::IDS,
        aws::ROWS,
        network::ROWS,
        email::ROWS,
        personal::ROWS,
        phone::ROWS,
        credentials::ROWS,
        models::ROWS,
        vendors::ROWS,
        assignments::ROWS,
        crypto::ROWS,
    ]
    .into_iter()
    .chain(tokens::ALL)
    .chain(national::ALL)
    .flatten()
}
