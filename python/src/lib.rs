//! `idjag._core`: the engine as Python sees it. A skin: arguments in, objects out, errors as exceptions.
//!
//! Nothing is decided here. The global interpreter lock is held while one request is computed, which takes tens of
//! microseconds: to let go of it for so short a time costs the request more than it gives the others. It is released in
//! batches, and where configuration, policy, directory and keys are read. What the classes mean to their user stands in
//! `python/idjag/_core.pyi`.
#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands over what it made out of the arguments")]

mod challenge;
mod clock;
mod config;
mod documents;
mod endpoint;
mod errors;
mod exchange;
mod explanation;
mod fetching;
mod identity_provider;
mod keeping;
mod process;
mod request;
mod revocation;
mod text;
mod token;
mod waiting;

/// The native half of the package `idjag`. Import that.
#[pyo3::pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::challenge::Challenge;
    #[pymodule_export]
    use super::endpoint::TokenResponse;
    #[pymodule_export]
    use super::exchange::Exchange;
    #[pymodule_export]
    use super::explanation::Explanation;
    #[pymodule_export]
    use super::identity_provider::IdentityProvider;
    #[pymodule_export]
    use super::process::forked;
    #[pymodule_export]
    use super::request::Request;
    #[pymodule_export]
    use super::revocation::Revocation;
    #[pymodule_export]
    use super::token::{IssuedToken, VerifiedToken};
    #[pymodule_export]
    use super::waiting::{PendingResponse, PendingToken, Watch};
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
