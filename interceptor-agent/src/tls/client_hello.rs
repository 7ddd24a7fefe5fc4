//! What a ClientHello says (SNI, ALPN, ECH), read over any fragmentation.
