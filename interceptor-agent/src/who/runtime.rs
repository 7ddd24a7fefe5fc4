//! What container runtimes have on disk about their containers: image, and the pod's name and namespace.
//!
//! Docker, containerd, CRI-O and Podman keep these files in folders that only root may enter and that no container is given;
//! what stands in them was said by whoever may start containers. No API is asked.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
};

use serde::Deserialize;

use super::Group;

/// Containers that are remembered; the one that was not asked for the longest makes room.
const REMEMBERED: usize = 1024;

/// Larger files are not read.
const FILE_LIMIT: u64 = 4 << 20;

/// Longer names are nobody's.
const NAME_LIMIT: usize = 512;

/// What a runtime says of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The image, as the runtime was told it.
    pub image: Option<String>,
    /// The pod's namespace.
    pub pod_namespace: Option<String>,
    /// The pod's name.
    pub pod_name: Option<String>,
}

/// The runtimes below one root folder.
pub(super) struct Runtimes {
    root: PathBuf,
    known: Mutex<Recent>,
}

impl Runtimes {
    /// Those of this machine.
    pub(super) fn of_this_machine() -> &'static Self {
        static OURS: LazyLock<Runtimes> = LazyLock::new(|| Runtimes::below("/"));
        &OURS
    }

    fn below(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            known: Mutex::default(),
        }
    }

    /// What is known of a container; nothing, for what is in none. Read once a container.
    pub(super) fn look_up(&self, group: &Group) -> Container {
        let Some(id) = group.container.as_deref() else {
            return Container::default();
        };
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(container) = known().of(id) {
            return container;
        }
        let sources = [containerd, crio, docker, podman];
        let found = sources
            .iter()
            .find_map(|source| source(&self.root, id, group.pod.as_deref()));
        // What is not there yet may come.
        if let Some(container) = &found {
            known().insert(id, container.clone());
        }
        found.unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Bundle {
    #[serde(default)]
    annotations: HashMap<String, String>,
}

/// Where containerd keeps its state, by itself and as a part of k3s, RKE2 and MicroK8s.
const CONTAINERD: [&str; 3] = [
    "run/containerd",
    "run/k3s/containerd",
    "var/snap/microk8s/common/run/containerd",
];

/// The OCI bundle of a container made by a kubelet; by others, it says no image.
fn containerd(root: &Path, id: &str, pod: Option<&str>) -> Option<Container> {
    let tasks = |state| fs::read_dir(root.join(state).join("io.containerd.runtime.v2.task"));
    let namespaces = CONTAINERD.into_iter().filter_map(|state| tasks(state).ok());
    let mut bundles = namespaces.flatten().flatten().filter_map(|namespace| {
        let bundle: Bundle = read(&namespace.path().join(id).join("config.json"))?;
        let said = |key: &str| bundle.annotations.get(&format!("io.kubernetes.cri.{key}"));
        container(
            said("image-name"),
            pod.is_some() && said("sandbox-uid").map(String::as_str) == pod,
            said("sandbox-namespace"),
            said("sandbox-name"),
        )
    });
    bundles.next()
}

fn crio(root: &Path, id: &str, pod: Option<&str>) -> Option<Container> {
    let folder = root.join("run/containers/storage/overlay-containers");
    let bundle: Bundle = read(&folder.join(id).join("userdata/config.json"))?;
    let said = |key: &str| bundle.annotations.get(&format!("io.kubernetes.{key}"));
    container(
        said("cri-o.ImageName"),
        pod.is_some() && said("pod.uid").map(String::as_str) == pod,
        said("pod.namespace"),
        said("pod.name"),
    )
}

/// An image can bring labels that look like a kubelet's; the UID of the pod that it runs in it can't know.
fn docker(root: &Path, id: &str, pod: Option<&str>) -> Option<Container> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct File {
        config: Config,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Config {
        image: Option<String>,
        #[serde(default)]
        labels: Option<HashMap<String, String>>,
    }
    let folder = docker_data(root).join("containers").join(id);
    let File { config } = read(&folder.join("config.v2.json"))?;
    let labels = config.labels.unwrap_or_default();
    let said = |key: &str| labels.get(&format!("io.kubernetes.pod.{key}"));
    container(
        config.image.as_ref(),
        pod.is_some() && said("uid").map(String::as_str) == pod,
        said("namespace"),
        said("name"),
    )
}

/// Where Docker keeps its data, unless it was told on its command line.
fn docker_data(root: &Path) -> PathBuf {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Daemon {
        data_root: PathBuf,
    }
    let daemon: Option<Daemon> = read(&root.join("etc/docker/daemon.json"));
    let data = daemon.map_or("/var/lib/docker".into(), |daemon| daemon.data_root);
    root.join(data.strip_prefix("/").unwrap_or(&data))
}

/// Its table of all containers; the metadata of each is JSON in a string.
fn podman(root: &Path, id: &str, _: Option<&str>) -> Option<Container> {
    #[derive(Deserialize)]
    struct Entry {
        id: String,
        #[serde(default)]
        metadata: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Metadata {
        image_name: Option<String>,
    }
    let table = root.join("var/lib/containers/storage/overlay-containers/containers.json");
    let entries: Vec<Entry> = read(&table)?;
    let entry = entries.into_iter().find(|entry| entry.id == id)?;
    let metadata: Metadata = serde_json::from_str(&entry.metadata).ok()?;
    container(metadata.image_name.as_ref(), false, None, None)
}

/// A container is known by its image; its pod only where the runtime names the pod that the cgroup is of.
fn container(
    image: Option<&String>,
    in_pod: bool,
    namespace: Option<&String>,
    name: Option<&String>,
) -> Option<Container> {
    let short = |text: Option<&String>| text.filter(|text| text.len() <= NAME_LIMIT).cloned();
    let image = short(image.filter(|image| !image.is_empty()))?;
    Some(Container {
        image: Some(image),
        pod_namespace: short(namespace.filter(|_| in_pod)),
        pod_name: short(name.filter(|_| in_pod)),
    })
}

/// A JSON file; None where there is none, or what stands there can't be read.
fn read<T: for<'d> Deserialize<'d>>(path: &Path) -> Option<T> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).ok()?;
    let whole = bytes.len() as u64 <= FILE_LIMIT;
    serde_json::from_slice(&bytes).ok().filter(|_| whole)
}

/// Containers by id, each with the time it was last asked for.
#[derive(Default)]
struct Recent {
    containers: HashMap<String, (Container, u64)>,
    asked: u64,
}

impl Recent {
    fn of(&mut self, id: &str) -> Option<Container> {
        self.asked += 1;
        let (container, asked) = self.containers.get_mut(id)?;
        *asked = self.asked;
        Some(container.clone())
    }

    fn insert(&mut self, id: &str, container: Container) {
        if self.containers.len() >= REMEMBERED {
            let oldest = self.containers.iter().min_by_key(|(_, (_, asked))| *asked);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                self.containers.remove(&oldest);
            }
        }
        self.containers
            .insert(id.to_owned(), (container, self.asked));
    }
}

#[cfg(test)]
mod tests;
