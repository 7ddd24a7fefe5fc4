//! Why a client's handshake came to nothing, as far as it says so, and what to do about it.

use std::io;

use rustls::{AlertDescription, Error};

/// What a failed handshake looks like from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The client said that it does not accept our certificate.
    Untrusted,
    /// There is no version, cipher or protocol that both speak.
    Incompatible,
    /// The client went away, or said nothing more.
    Gone,
    /// Anything else: what was said is no TLS.
    Broken,
}

impl Failure {
    /// What an error of `accept` is.
    pub fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(Error::AlertReceived(alert)) => Self::of_alert(*alert),
            Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => Self::Incompatible,
            Some(_) => Self::Broken,
            None => Self::Gone,
        }
    }

    /// RFC 8446 §6.2.
    fn of_alert(alert: AlertDescription) -> Self {
        use AlertDescription as Alert;
        match alert {
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            // The signature of a CA of the same name, with another key.
            | Alert::DecryptError => Self::Untrusted,
            Alert::HandshakeFailure
            | Alert::ProtocolVersion
            | Alert::InsufficientSecurity
            | Alert::NoApplicationProtocol => Self::Incompatible,
            Alert::CloseNotify | Alert::UserCanceled => Self::Gone,
            _ => Self::Broken,
        }
    }

    /// What happened, in words.
    pub fn what(self) -> &'static str {
        match self {
            Self::Untrusted => "the client did not accept our certificate",
            Self::Incompatible => "the client and the agent have no TLS in common",
            Self::Gone => "the client left the handshake",
            Self::Broken => "the handshake with the client failed",
        }
    }

    /// What to do about it.
    pub fn next_step(self) -> &'static str {
        match self {
            Self::Untrusted => "make this client trust ca.pem of tls.ca_dir",
            Self::Incompatible => "let this client offer TLS 1.2 or 1.3, with HTTP/1.1 or HTTP/2",
            Self::Gone => {
                "if it does so each time, make this client trust ca.pem of tls.ca_dir: some don't say why they leave"
            }
            Self::Broken => "look at what this client sends: its ClientHello was a good one",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_certificates_is_about_trust() {
        let alert = Error::AlertReceived;
        for (error, expected) in [
            (alert(AlertDescription::UnknownCA), Failure::Untrusted),
            (alert(AlertDescription::BadCertificate), Failure::Untrusted),
            (alert(AlertDescription::DecryptError), Failure::Untrusted),
            (
                alert(AlertDescription::ProtocolVersion),
                Failure::Incompatible,
            ),
            (Error::NoApplicationProtocol, Failure::Incompatible),
            (alert(AlertDescription::UserCanceled), Failure::Gone),
            (alert(AlertDescription::DecodeError), Failure::Broken),
            (Error::DecryptError, Failure::Broken),
        ] {
            let failure = Failure::of(&io::Error::other(error.clone()));
            assert_eq!(failure, expected, "{error}");
        }
        for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::TimedOut] {
            assert_eq!(Failure::of(&kind.into()), Failure::Gone);
        }
    }
}
