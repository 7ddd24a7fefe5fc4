//! Kernels of Debian's suites, found, downloaded and checked by apt itself with a state folder of its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::image;
use crate::env::Env;
use crate::shell::Sh;

/// A row of the matrix: where a series of kernels is kept up to date.
pub struct Series {
    /// What `--kernel` calls it.
    pub name: &'static str,
    /// How its releases begin; empty takes any.
    prefix: &'static str,
    suites: &'static [&'static str],
}

/// The floor, Debian's stable kernels, the last long-term one and the newest.
pub const SERIES: [Series; 5] = [
    Series {
        name: "5.10",
        prefix: "5.10.",
        suites: &["bullseye", "bullseye-security"],
    },
    Series {
        name: "6.1",
        prefix: "6.1.",
        suites: &["bookworm", "bookworm-security"],
    },
    Series {
        name: "6.12",
        prefix: "6.12.",
        suites: &["trixie", "trixie-security"],
    },
    Series {
        name: "6.18",
        prefix: "6.18.",
        suites: &["trixie-backports"],
    },
    Series {
        name: "newest",
        prefix: "",
        suites: &["trixie-backports", "sid"],
    },
];

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const FLAVOUR: &str = "-cloud-amd64";

/// What cloud kernels don't have built in: the guest's cables, and ending connections (INET_DIAG). Each after those
/// that it needs.
const MODULES: [&str; 3] = ["veth", "inet_diag", "tcp_diag"];

/// A kernel ready to boot.
pub struct Kernel {
    /// As `uname -r` says it.
    pub release: String,
    /// Its ELF file.
    pub vmlinux: PathBuf,
    /// Unpacked modules, in the order to insert them.
    pub modules: Vec<PathBuf>,
}

/// The newest kernel of a series, from the cache or from Debian.
pub fn kernel(env: &Env, series: &Series) -> Result<Kernel> {
    let home = env.cache.join("kernels");
    let apt = Apt::new(&home.join("apt").join(series.name), series.suites)?;
    let names = apt.names()?;
    let (release, packages) = newest(&names, series.prefix).with_context(|| {
        format!(
            "Debian's {} has no kernel {}",
            series.suites.join(", "),
            series.name
        )
    })?;
    let ready = home.join(&release);
    let modules = MODULES.map(|name| ready.join(format!("{name}.ko")));
    if !modules.iter().all(|module| module.is_file()) {
        eprintln!(
            "  {:<16} downloading {}",
            "Debian kernel",
            packages.join(", ")
        );
        let unfinished = home.join(format!("{release}.unfinished"));
        let _ = fs::remove_dir_all(&unfinished);
        fs::create_dir_all(&unfinished)?;
        apt.download(&packages, &unfinished)?;
        unpack(&unfinished, &release)?;
        // From a time when fewer modules were wanted.
        let _ = fs::remove_dir_all(&ready);
        fs::rename(&unfinished, &ready)?;
    }
    Ok(Kernel {
        vmlinux: ready.join("vmlinux"),
        modules: modules.into(),
        release,
    })
}

/// apt-get and apt-cache that know some of Debian's suites and nothing of this machine.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// Refreshes the lists, where Debian can be reached; apt checks their signatures.
    fn new(state: &Path, suites: &[&str]) -> Result<Self> {
        if !Path::new(KEYRING).exists() {
            bail!("{KEYRING} is missing: install debian-archive-keyring");
        }
        for dir in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(state.join(dir))?;
        }
        fs::write(state.join("status"), "")?;
        fs::write(state.join("sources.list"), sources(suites))?;
        let dir = state.display();
        let options = [
            format!("Dir::State={dir}"),
            format!("Dir::State::status={dir}/status"),
            format!("Dir::Cache={dir}"),
            format!("Dir::Etc::SourceList={dir}/sources.list"),
            "Dir::Etc::SourceParts=-".to_owned(),
            "APT::Architecture=amd64".to_owned(),
            "Acquire::Languages=none".to_owned(),
            // As root, apt would go on as a user who may not write to our cache.
            "APT::Sandbox::User=root".to_owned(),
        ];
        let apt = Self {
            options: options
                .into_iter()
                .flat_map(|option| ["-o".to_owned(), option])
                .collect(),
        };
        apt.command("apt-get").args(["-qq", "update"]).quiet()?;
        Ok(apt)
    }

    fn names(&self) -> Result<Vec<String>> {
        let pattern = format!("^linux-(image|binary|modules)-[0-9].*{FLAVOUR}$");
        let found = self
            .command("apt-cache")
            .args(["search", "--names-only", &pattern])
            .read()?;
        let names = found.lines().filter_map(|line| line.split(' ').next());
        Ok(names.map(str::to_owned).collect())
    }

    fn download(&self, packages: &[String], to: &Path) -> Result<()> {
        self.command("apt-get")
            .args(["-qq", "download"])
            .args(packages)
            .current_dir(to)
            .quiet()
    }

    fn command(&self, program: &str) -> Sh {
        Sh::new(program).args(&self.options)
    }
}

fn sources(suites: &[&str]) -> String {
    suites
        .iter()
        .map(|suite| {
            let archive = if suite.ends_with("-security") {
                "debian-security"
            } else {
                "debian"
            };
            format!(
                "deb [arch=amd64 target=Packages signed-by={KEYRING}] \
                 http://deb.debian.org/{archive} {suite} main\n"
            )
        })
        .collect()
}

/// The newest release that starts with `prefix`, and the packages that it is made of.
fn newest(names: &[String], prefix: &str) -> Option<(String, Vec<String>)> {
    let of =
        |kind: &str, name: &str| Some(name.strip_prefix(kind)?.strip_suffix(FLAVOUR)?.to_owned());
    let release = names
        .iter()
        .filter_map(|name| of("linux-image-", name))
        // `linux-image-6.12-cloud-amd64` stands for whatever is newest.
        .filter(|release| release.starts_with(prefix) && numbers(release).len() > 2)
        .max_by_key(|release| numbers(release))?;
    let release = release + FLAVOUR;
    let there = |kind: &str| {
        let name = format!("linux-{kind}-{release}");
        names.contains(&name).then_some(name)
    };
    // From 6.19 `linux-image-*` is empty, from 7.2 modules are a package of their own.
    let image = there("binary").or_else(|| there("image"));
    let packages = image.into_iter().chain(there("modules")).collect();
    Some((release, packages))
}

/// By number, not letter: 6.12.9 is older than 6.12.117.
fn numbers(release: &str) -> Vec<u32> {
    release
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Turns the packages in `dir` into `vmlinux` and modules.
fn unpack(dir: &Path, release: &str) -> Result<()> {
    let root = dir.join("root");
    for package in fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()? {
        Sh::new("dpkg-deb")
            .arg("-x")
            .arg(package.path())
            .arg(&root)
            .quiet()?;
        fs::remove_file(package.path())?;
    }
    let modules = ["usr/lib/modules", "lib/modules"]
        .map(|modules| root.join(modules).join(release))
        .into_iter()
        .find(|modules| modules.join("kernel").is_dir())
        .context("its packages hold no modules")?;
    let vmlinuz = [
        root.join("boot").join(format!("vmlinuz-{release}")),
        modules.join("vmlinuz"),
    ]
    .into_iter()
    .find(|vmlinuz| vmlinuz.is_file())
    .context("its packages hold no vmlinuz")?;
    image::unpack(&vmlinuz, &dir.join("vmlinux"))?;
    for name in MODULES {
        let module = find(&modules, &format!("{name}.ko"))?
            .with_context(|| format!("its packages hold no module {name}"))?;
        let bytes = match module.extension().and_then(|extension| extension.to_str()) {
            Some("xz") => image::decompress("xz", &module)?,
            Some("zst") => image::decompress("zstd", &module)?,
            _ => fs::read(&module)?,
        };
        fs::write(dir.join(format!("{name}.ko")), bytes)?;
    }
    fs::remove_dir_all(&root)?;
    Ok(())
}

/// The file of that name, compressed or not, somewhere below `dir`.
fn find(dir: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if let Some(found) = find(&entry.path(), name)? {
                return Ok(Some(found));
            }
        } else if let Some(rest) = entry.file_name().to_string_lossy().strip_prefix(name)
            && ["", ".xz", ".zst"].contains(&rest)
        {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::{newest, sources};

    fn choose(names: &[&str], prefix: &str) -> Option<(String, Vec<String>)> {
        let names: Vec<_> = names
            .iter()
            .map(|name| format!("linux-{name}-cloud-amd64"))
            .collect();
        newest(&names, prefix)
    }

    #[test]
    fn versions_are_numbers() {
        let (release, packages) = choose(
            &[
                "image-6.12",
                "image-6.12.9+deb13",
                "image-6.12.115+deb13",
                "image-6.12.115+deb13.1",
                "image-6.1.0-56",
                "image-6.18.5+deb13",
            ],
            "6.12.",
        )
        .unwrap();
        assert_eq!(release, "6.12.115+deb13.1-cloud-amd64");
        assert_eq!(packages, ["linux-image-6.12.115+deb13.1-cloud-amd64"]);
        let bookworm = ["image-6.1.0-9", "image-6.1.0-56", "image-6.1.0-0.deb11.52"];
        let (release, _) = choose(&bookworm, "6.1.").unwrap();
        assert_eq!(release, "6.1.0-56-cloud-amd64");
        assert_eq!(choose(&["image-6.12", "image-6.12.9"], "6.1."), None);
    }

    #[test]
    fn newer_kernels_are_made_of_several_packages() {
        let names = [
            "image-7.0.13+deb13",
            "binary-7.0.13+deb13",
            "image-7.2.13+deb14",
            "modules-7.2.13+deb14",
            "binary-7.2.13+deb14",
            // Its image is not published yet.
            "modules-7.3.4+deb14",
        ];
        assert_eq!(
            choose(&names, "").unwrap().1,
            [
                "linux-binary-7.2.13+deb14-cloud-amd64",
                "linux-modules-7.2.13+deb14-cloud-amd64"
            ]
        );
        assert_eq!(
            choose(&names, "7.0.").unwrap().1,
            ["linux-binary-7.0.13+deb13-cloud-amd64"]
        );
    }

    #[test]
    fn security_is_an_archive_of_its_own() {
        let list = sources(&["trixie", "trixie-security"]);
        let [first, second] = list.lines().collect::<Vec<_>>()[..] else {
            panic!("{list}");
        };
        assert!(first.ends_with("http://deb.debian.org/debian trixie main"));
        assert!(second.ends_with("http://deb.debian.org/debian-security trixie-security main"));
    }
}
