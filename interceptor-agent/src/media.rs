//! Formats whose content is left alone, told by what they begin with: what a picture shows or a recording says can't be
//! found by looking at its bytes.

use crate::protocol::schema::is_binary_media;

/// The type of bytes of which nothing is said.
pub const OCTETS: &str = "application/octet-stream";

/// Formats that may be taken for one another: a photo under another photo's name is still one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Pictures.
    Image,
    /// Sound and film, which share containers.
    Recording,
    /// Pages.
    Document,
}

impl Media {
    /// What a media type, in lower case and without parameters, stands for; `None`: nothing that is left alone. Formats have
    /// many names: what calls itself one of these has to begin as one, too.
    pub fn of_type(media_type: &str) -> Option<Self> {
        match media_type.split_once('/')? {
            // Text.
            ("image", name) if name.starts_with("svg") => None,
            ("image", _) => Some(Self::Image),
            ("audio" | "video", _) => Some(Self::Recording),
            _ => is_binary_media(media_type).then_some(Self::Document),
        }
    }

    /// What the bytes begin as.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let stands =
            |&(at, mark): &Mark| bytes.get(at..).is_some_and(|rest| rest.starts_with(mark));
        let row = MAGIC.iter().find(|(marks, _)| marks.iter().all(stands));
        row.map(|(_, media)| *media)
    }
}

/// Where bytes stand, and which.
type Mark = (usize, &'static [u8]);

/// Marks that all have to be there, and what has them. Marks that a text could begin with ask for a zero too. The order
/// counts: `ftyp` has pictures and films.
const MAGIC: &[(&[Mark], Media)] = &[
    (&[(0, b"\x89PNG\r\n\x1a\n")], Media::Image),
    (&[(0, b"\xff\xd8\xff")], Media::Image),
    (&[(0, b"GIF87a")], Media::Image),
    (&[(0, b"GIF89a")], Media::Image),
    (&[(0, b"RIFF"), (8, b"WEBPVP8")], Media::Image),
    (&[(0, b"II*\0")], Media::Image),
    (&[(0, b"MM\0*")], Media::Image),
    (&[(0, b"BM"), (6, b"\0\0\0\0")], Media::Image),
    (&[(0, b"\0"), (4, b"ftypavif")], Media::Image),
    (&[(0, b"\0"), (4, b"ftypavis")], Media::Image),
    (&[(0, b"\0"), (4, b"ftyphei")], Media::Image),
    (&[(0, b"\0"), (4, b"ftypmif1")], Media::Image),
    (&[(0, b"\0"), (4, b"ftyp")], Media::Recording),
    (&[(0, b"RIFF"), (8, b"WAVE")], Media::Recording),
    (&[(0, b"ID3"), (4, b"\0")], Media::Recording),
    // MPEG audio frames and ADTS: eleven bits of synchronisation, then version and layer.
    (&[(0, b"\xff\xfb")], Media::Recording),
    (&[(0, b"\xff\xfa")], Media::Recording),
    (&[(0, b"\xff\xf3")], Media::Recording),
    (&[(0, b"\xff\xf2")], Media::Recording),
    (&[(0, b"\xff\xf1")], Media::Recording),
    (&[(0, b"\xff\xf9")], Media::Recording),
    (&[(0, b"fLaC\0")], Media::Recording),
    (&[(0, b"OggS\0")], Media::Recording),
    (&[(0, b"\x1a\x45\xdf\xa3")], Media::Recording),
    (&[(0, b"\0\0\x01\xba")], Media::Recording),
    (&[(0, b"\0\0\x01\xb3")], Media::Recording),
    (&[(0, b"%PDF-")], Media::Document),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_names_agree() {
        for (name, bytes) in [
            ("image/png", &b"\x89PNG\r\n\x1a\n\0"[..]),
            ("image/webp", b"RIFF\0\0\0\0WEBPVP8 "),
            ("image/heic", b"\0\0\0\x18ftypheic\0"),
            ("audio/wav", b"RIFF\0\0\0\0WAVEfmt "),
            ("audio/mpeg", b"ID3\x04\0"),
            ("video/mp4", b"\0\0\0\x18ftypisom\0"),
            ("audio/m4a", b"\0\0\0\x1cftypM4A \0"),
            ("audio/x-m4a", b"\0\0\0\x1cftypM4A \0"),
            ("audio/wave", b"RIFF\0\0\0\0WAVEfmt "),
            ("audio/x-flac", b"fLaC\0\0\0\x22"),
            ("audio/opus", b"OggS\0\x02"),
            ("video/x-matroska", b"\x1a\x45\xdf\xa3"),
            ("image/x-png", b"\x89PNG\r\n\x1a\n\0"),
            ("application/pdf", b"%PDF-1.7\n\xe2"),
        ] {
            assert!(Media::of_type(name).is_some());
            assert_eq!(Media::of_type(name), Media::of_bytes(bytes), "{name}");
        }
        for name in [
            "text/csv",
            "image/svg+xml",
            "image/svg",
            "application/zip",
            "audio",
            "",
        ] {
            assert_eq!(Media::of_type(name), None, "{name}");
        }
        for bytes in [
            &b""[..],
            b"\x89PN",
            b"PK\x03\x04",
            b"id,name\n",
            b"BMW;Stra\xdfe",
            b"ID3 \xe9",
            b"ftypisom",
        ] {
            assert_eq!(Media::of_bytes(bytes), None);
        }
    }
}
