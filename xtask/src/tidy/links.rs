//! Relative links in Markdown lead somewhere.

use std::path::Path;

pub fn check(workspace: &Path, file: &Path, text: &str, breaches: &mut Vec<String>) {
    let dir = workspace.join(file);
    let dir = dir.parent().unwrap_or(workspace);
    for (number, target) in targets(text) {
        let path = target.split('#').next().unwrap_or_default();
        if !path.is_empty() && !dir.join(path).exists() {
            breaches.push(format!(
                "{}:{number}: the link to {target} leads nowhere",
                file.display()
            ));
        }
    }
}

/// Link and image targets outside code, with their line numbers.
fn targets(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    (1..)
        .zip(text.lines())
        .filter(move |(_, line)| {
            let fence = line.trim_start().starts_with("```");
            in_code ^= fence;
            !in_code && !fence
        })
        .flat_map(|(number, line)| {
            line.split("](")
                .skip(1)
                .filter_map(move |rest| Some((number, rest.split([')', ' ']).next()?)))
        })
        .filter(|(_, target)| !target.contains("://") && !target.starts_with("mailto:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_text_are_found_and_those_in_code_or_the_web_are_not() {
        let text = "[a](b.md#c) ![d](e.png)\n```\n[x](y)\n```\n[w](https://example.com)\n[z](#here \"title\")\n";
        assert_eq!(
            targets(text).collect::<Vec<_>>(),
            [(1, "b.md#c"), (1, "e.png"), (6, "#here")]
        );
    }

    #[test]
    fn a_link_to_nothing_is_a_breach() {
        let mut breaches = Vec::new();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        check(
            workspace,
            Path::new("README.md"),
            "[here](Cargo.toml)\n[gone](no/such.md)",
            &mut breaches,
        );
        assert_eq!(
            breaches,
            ["README.md:2: the link to no/such.md leads nowhere"]
        );
    }
}
