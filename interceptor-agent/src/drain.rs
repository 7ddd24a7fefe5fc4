//! One primitive that tells every task to finish, with a deadline.
