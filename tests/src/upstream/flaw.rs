//! Providers that do it wrong, asked for by the first label of the server name, as in `wrong-name.flaw.example`.

use anyhow::Result;
use rcgen::{CertificateParams, date_time_ymd};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Names below it have a flaw. They have no address of their own: a client names one of the stub's.
pub const DOMAIN: &str = "flaw.example";

/// What [`Flaw::FewStreams`] takes.
pub const FEW_STREAMS: u32 = 4;

/// What a provider's certificate or its answers may suffer from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The certificate is for another name.
    WrongName,
    /// The certificate has run out.
    Expired,
    /// The certificate is signed by its own key.
    SelfSigned,
    /// The answer is not HTTP.
    Garbage,
    /// The connection ends instead of an answer.
    Close,
    /// The connection ends inside the answer's body.
    Cut,
    /// Nothing is ever answered.
    Hang,
    /// The answer begins and never goes on.
    Stall,
    /// The answer's head has two lengths.
    TwoLengths,
    /// The answer's body is not what its content coding says.
    Miscoded,
    /// It takes no more than [`FEW_STREAMS`] of a connection at once.
    FewStreams,
}

impl Flaw {
    /// The flaw that a server name asks for.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name.strip_suffix(DOMAIN)?.strip_suffix('.')? {
            "wrong-name" => Self::WrongName,
            "expired" => Self::Expired,
            "self-signed" => Self::SelfSigned,
            "garbage" => Self::Garbage,
            "close" => Self::Close,
            "cut" => Self::Cut,
            "hang" => Self::Hang,
            "stall" => Self::Stall,
            "two-lengths" => Self::TwoLengths,
            "miscoded" => Self::Miscoded,
            "few-streams" => Self::FewStreams,
            _ => return None,
        })
    }

    /// Puts the flaw into a certificate that is about to be signed.
    pub(super) fn spoil(self, params: &mut CertificateParams) -> Result<()> {
        match self {
            Self::WrongName => {
                params.subject_alt_names =
                    CertificateParams::new(["www.example.com".to_owned()])?.subject_alt_names
            }
            Self::Expired => params.not_after = date_time_ymd(2020, 1, 1),
            _ => {}
        }
        Ok(())
    }

    /// What such a provider says to any request; `None`: its answers are as they should be.
    fn says(self) -> Option<&'static str> {
        Some(match self {
            Self::WrongName | Self::Expired | Self::SelfSigned | Self::FewStreams => return None,
            Self::Garbage => "220 mail.example ESMTP\r\n",
            Self::Close | Self::Hang => "",
            Self::Cut | Self::Stall => {
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"content\":"
            }
            Self::TwoLengths => {
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"
            }
            Self::Miscoded => {
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}"
            }
        })
    }

    /// Reads one request and answers as the flaw has it. `false`: its answers are as they should be.
    pub(super) async fn serve(self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> bool {
        let Some(says) = self.says() else {
            return false;
        };
        let mut request = [0; 4096];
        // A peer that is gone is no concern of a flawed provider.
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(says.as_bytes()).await;
        let _ = stream.flush().await;
        if matches!(self, Self::Hang | Self::Stall) {
            while matches!(stream.read(&mut request).await, Ok(1..)) {}
        }
        let _ = stream.shutdown().await;
        true
    }
}
