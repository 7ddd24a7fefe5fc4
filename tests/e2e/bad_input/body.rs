//! Bodies that can't be read, or that are too much.

use anyhow::Result;

use super::survive;

#[test]
fn a_body_that_is_no_json_is_told_so() -> Result<()> {
    let attack = r#"
mark = hostile.MARK.encode()
text = hostile.body()
hostile.report({name: [hostile.post(data)] for name, data in {
    'a blank': b' ',
    'cut': text[:-1],
    'no JSON': b'model=' + mark,
    'two documents': text + text,
    'a trailing comma': text[:-1] + b',}',
    'broken UTF-8': text.replace(mark, mark + b'\xff'),
    'an overlong slash': text.replace(mark, mark + b'\xc0\xaf'),
    'a UTF-8 surrogate': text.replace(mark, mark + b'\xed\xa0\x80'),
    'UTF-16': text.decode().encode('utf-16'),
    'a control character': text.replace(mark, mark + b'\n'),
    'an unknown escape': text.replace(mark, mark + b'\\x41'),
    'nested 100,000 deep': b'[' * 100_000 + text + b']' * 100_000,
    'nested and never closed': b'[' * 100_000 + text,
    'objects nested 100,000 deep': b'{"a":' * 100_000 + text + b'}' * 100_000,
}.items()})
"#;
    let said = survive(attack)?.said;
    let statuses: Vec<_> = said.lines().collect();
    assert_eq!(statuses.len(), 14, "{said}");
    assert!(
        statuses.iter().all(|line| line.ends_with(": 400")),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_coding_that_cant_be_undone_is_told_so() -> Result<()> {
    let attack = "
import gzip, zlib
text = hostile.body()
packed = gzip.compress(text)
def coded(data, *codings):
    return [hostile.post(data, *('Content-Encoding: ' + coding for coding in codings))]
hostile.report({
    'unknown': coded(text, 'compress'),
    'nonsense': coded(text, hostile.MARK),
    'not what it says': coded(text, 'gzip'),
    'cut': coded(packed[:-9], 'gzip'),
    'a tail': coded(packed + text, 'gzip'),
    'wrong checksum': coded(packed[:-8] + b'xxxx' + packed[-4:], 'gzip'),
    'once, said twice': coded(packed, 'gzip, gzip'),
    'once, said in two headers': coded(packed, 'gzip', 'gzip'),
    'in the wrong order': coded(zlib.compress(packed), 'deflate, gzip'),
    'a tower': coded(packed, 'gzip, gzip, gzip, gzip, gzip'),
    'no bytes': coded(b'', 'gzip'),
})
";
    assert_eq!(
        survive(attack)?.said,
        "unknown: 415\nnonsense: 415\nnot what it says: 415\ncut: 415\na tail: 415\nwrong checksum: 415\n\
         once, said twice: 415\nonce, said in two headers: 415\nin the wrong order: 415\na tower: 415\nno bytes: 415\n"
    );
    Ok(())
}

#[test]
fn a_bomb_is_refused_before_it_fills_the_memory() -> Result<()> {
    let attack = "
import gzip
# One GiB of zeros; packed twice it is a few KiB.
bomb = gzip.compress(bytes(1 << 20)) * 1024
hostile.report({
    'once': [hostile.post(bomb, 'Content-Encoding: gzip')],
    'twice': [hostile.post(gzip.compress(bomb), 'Content-Encoding: gzip, gzip')],
})
";
    let survived = survive(attack)?;
    assert_eq!(survived.said, "once: 413\ntwice: 413\n");
    let (before, after) = survived.memory;
    assert!(
        after - before < 128 * 1024,
        "{} MiB more",
        (after - before) / 1024
    );
    Ok(())
}

#[test]
fn a_hundred_mebibytes_are_refused_and_not_held() -> Result<()> {
    // With a length the first byte shows it; chunked it shows at the limit of 32 MiB.
    let attack = "
text = hostile.body('x' * (1 << 20))
chunk = b'%x\\r\\n%s\\r\\n' % (len(text), text)
hostile.report({
    'a length': [hostile.post(b'').replace(b'Length: 0', b'Length: 104857600')] + 100 * [text],
    'chunked': [(hostile.HEAD + 'Transfer-Encoding: chunked\\r\\n\\r\\n').encode()] + 100 * [chunk] + [b'0\\r\\n\\r\\n'],
})
";
    let survived = survive(attack)?;
    assert_eq!(survived.said, "a length: 413\nchunked: 413\n");
    let (before, after) = survived.memory;
    assert!(
        after - before < 96 * 1024,
        "{} MiB more",
        (after - before) / 1024
    );
    Ok(())
}
