//! Content codings by their HTTP names, from memory to memory.

use anyhow::{Result, bail};
use async_compression::tokio::bufread::{
    BrotliDecoder, BrotliEncoder, GzipDecoder, GzipEncoder, ZlibDecoder, ZlibEncoder, ZstdDecoder,
    ZstdEncoder,
};
use tokio::io::AsyncReadExt as _;

/// The names of [`encoded`] and [`decoded`].
pub const CODINGS: [&str; 4] = ["gzip", "br", "zstd", "deflate"];

/// `plain`, coded.
///
/// # Errors
/// The name is not of [`CODINGS`].
pub async fn encoded(coding: &str, plain: &[u8]) -> Result<Vec<u8>> {
    let mut coded = Vec::new();
    match coding {
        "gzip" => GzipEncoder::new(plain).read_to_end(&mut coded).await?,
        "br" => BrotliEncoder::new(plain).read_to_end(&mut coded).await?,
        "zstd" => ZstdEncoder::new(plain).read_to_end(&mut coded).await?,
        "deflate" => ZlibEncoder::new(plain).read_to_end(&mut coded).await?,
        _ => bail!("no such content coding: {coding}"),
    };
    Ok(coded)
}

/// `coded`, plain again.
///
/// # Errors
/// The name is not of [`CODINGS`], or the bytes are not what it says.
pub async fn decoded(coding: &str, coded: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    match coding {
        "gzip" => GzipDecoder::new(coded).read_to_end(&mut plain).await?,
        "br" => BrotliDecoder::new(coded).read_to_end(&mut plain).await?,
        "zstd" => ZstdDecoder::new(coded).read_to_end(&mut plain).await?,
        "deflate" => ZlibDecoder::new(coded).read_to_end(&mut plain).await?,
        _ => bail!("no such content coding: {coding}"),
    };
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coding_changes_the_bytes_and_gives_them_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(async {
            for coding in CODINGS {
                let coded = encoded(coding, b"same again, same again").await.unwrap();
                assert!(!coded.starts_with(b"same"), "{coding}");
                assert_eq!(
                    decoded(coding, &coded).await.unwrap(),
                    b"same again, same again"
                );
            }
            assert!(encoded("compress", b"").await.is_err());
        });
    }
}
