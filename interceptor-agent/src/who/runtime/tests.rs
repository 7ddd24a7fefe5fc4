//! Each runtime's own layout, with what it writes there.

use super::*;

const ID: &str = "4f2c9a0e8b7d6c5b4a39281706f5e4d3c2b1a0998877665544332211ffeeddcc";
const UID: &str = "7d0c2f1e-3b4a-4c5d-8e9f-0a1b2c3d4e5f";

/// A root folder of a test's own, gone with it.
struct Root(PathBuf);

impl Root {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("interceptor-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn ask(&self, pod: Option<&str>) -> Container {
        Runtimes::below(&self.0).look_up(&group(ID, pod))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn group(id: &str, pod: Option<&str>) -> Group {
    Group {
        container: Some(id.to_owned()),
        pod: pod.map(str::to_owned),
        ..Group::default()
    }
}

fn image(name: &str) -> Container {
    Container {
        image: Some(name.to_owned()),
        ..Container::default()
    }
}

fn in_pod(name: &str) -> Container {
    Container {
        pod_namespace: Some("agents".to_owned()),
        pod_name: Some("coder-0".to_owned()),
        ..image(name)
    }
}

#[test]
fn docker() {
    let root = Root::new("docker");
    let file = format!("var/lib/docker/containers/{ID}/config.v2.json");
    root.write(
        &file,
        r#"{"StreamConfig":{},"State":{"Running":true,"Pid":4242},"ID":"4f2c","Created":"2026-01-01T00:00:00Z",
            "Config":{"Hostname":"4f2c9a0e8b7d","Env":["A=b"],"Cmd":["sh"],"Image":"registry.example/agents/coder:7",
            "Labels":{"io.kubernetes.pod.name":"forged","io.kubernetes.pod.namespace":"kube-system"}},
            "Image":"sha256:0123","Name":"/coder","RestartCount":0}"#,
    );
    assert_eq!(root.ask(None), image("registry.example/agents/coder:7"));
    assert_eq!(
        root.ask(Some(UID)),
        image("registry.example/agents/coder:7"),
        "labels without the pod's UID are the image's own"
    );
    root.write(
        &file,
        &format!(
            r#"{{"Config":{{"Image":"i","Labels":{{"io.kubernetes.pod.name":"coder-0","io.kubernetes.pod.namespace":"agents",
                "io.kubernetes.pod.uid":"{UID}"}}}}}}"#
        ),
    );
    assert_eq!(root.ask(Some(UID)), in_pod("i"));
    root.write(&file, r#"{"Config":{"Image":"busybox","Labels":null}}"#);
    assert_eq!(root.ask(None), image("busybox"));
}

#[test]
fn docker_where_its_data_is_elsewhere() {
    let root = Root::new("docker-elsewhere");
    root.write(
        "etc/docker/daemon.json",
        r#"{"data-root":"/mnt/big/docker"}"#,
    );
    root.write(
        &format!("mnt/big/docker/containers/{ID}/config.v2.json"),
        r#"{"Config":{"Image":"busybox"}}"#,
    );
    assert_eq!(root.ask(None), image("busybox"));
}

#[test]
fn containerd_of_k3s() {
    let root = Root::new("k3s");
    root.write(
        &format!("run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json"),
        r#"{"annotations":{"io.kubernetes.cri.image-name":"docker.io/library/busybox:1"}}"#,
    );
    assert_eq!(root.ask(None), image("docker.io/library/busybox:1"));
}

#[test]
fn containerd_below_a_kubelet_and_below_docker() {
    let root = Root::new("containerd");
    let bundle = |namespace: &str| {
        format!("run/containerd/io.containerd.runtime.v2.task/{namespace}/{ID}/config.json")
    };
    root.write(
        &bundle("k8s.io"),
        &format!(
            r#"{{"ociVersion":"1.2.0","process":{{"args":["sh"]}},"annotations":{{
                "io.kubernetes.cri.container-name":"coder","io.kubernetes.cri.container-type":"container",
                "io.kubernetes.cri.image-name":"registry.example/agents/coder@sha256:abcd",
                "io.kubernetes.cri.sandbox-id":"99","io.kubernetes.cri.sandbox-name":"coder-0",
                "io.kubernetes.cri.sandbox-namespace":"agents","io.kubernetes.cri.sandbox-uid":"{UID}"}}}}"#
        ),
    );
    let expected = in_pod("registry.example/agents/coder@sha256:abcd");
    assert_eq!(root.ask(Some(UID)), expected);
    let other = UID.replace('7', "8");
    assert_eq!(
        root.ask(Some(&other)),
        image("registry.example/agents/coder@sha256:abcd"),
        "another pod's name is nobody's"
    );
    // Docker's bundle names no image: its own file does.
    root.write(&bundle("k8s.io"), r#"{"ociVersion":"1.2.0"}"#);
    root.write(&bundle("moby"), r#"{"annotations":{}}"#);
    let file = format!("var/lib/docker/containers/{ID}/config.v2.json");
    root.write(&file, r#"{"Config":{"Image":"busybox"}}"#);
    assert_eq!(root.ask(None), image("busybox"));
}

#[test]
fn crio() {
    let root = Root::new("crio");
    root.write(
        &format!("run/containers/storage/overlay-containers/{ID}/userdata/config.json"),
        &format!(
            r#"{{"annotations":{{"io.kubernetes.cri-o.ContainerType":"container",
                "io.kubernetes.cri-o.ImageName":"quay.io/agents/coder:7","io.kubernetes.pod.name":"coder-0",
                "io.kubernetes.pod.namespace":"agents","io.kubernetes.pod.uid":"{UID}"}}}}"#
        ),
    );
    assert_eq!(root.ask(Some(UID)), in_pod("quay.io/agents/coder:7"));
    assert_eq!(root.ask(None), image("quay.io/agents/coder:7"));
}

#[test]
fn podman() {
    let root = Root::new("podman");
    root.write(
        "var/lib/containers/storage/overlay-containers/containers.json",
        &format!(
            r#"[{{"id":"00","names":["other"],"metadata":"{{\"image-name\":\"other\"}}"}},
                {{"id":"{ID}","names":["coder"],"image":"abcd",
                "metadata":"{{\"image-name\":\"docker.io/library/alpine:latest\",\"image-id\":\"abcd\",\"name\":\"coder\"}}"}}]"#
        ),
    );
    assert_eq!(root.ask(None), image("docker.io/library/alpine:latest"));
}

#[test]
fn what_cannot_be_read_is_nothing() {
    let root = Root::new("unreadable");
    assert_eq!(root.ask(Some(UID)), Container::default());
    let file = format!("var/lib/docker/containers/{ID}/config.v2.json");
    for text in [
        "",
        "{",
        "[]",
        r#"{"Config":{"Image":7}}"#,
        r#"{"Config":{"Image":""}}"#,
    ] {
        root.write(&file, text);
        assert_eq!(root.ask(None), Container::default(), "{text}");
    }
    let long = "x".repeat(NAME_LIMIT + 1);
    root.write(&file, &format!(r#"{{"Config":{{"Image":"{long}"}}}}"#));
    assert_eq!(root.ask(None), Container::default());
    let padding = " ".repeat(FILE_LIMIT as usize);
    root.write(&file, &format!(r#"{{"Config":{{"Image":"i"}}}}{padding}"#));
    assert_eq!(root.ask(None), Container::default(), "too long");
    let none = Runtimes::below(&root.0).look_up(&Group::default());
    assert_eq!(none, Container::default());
}

#[test]
fn a_container_is_read_once_and_remembered_while_it_is_asked_for() {
    let root = Root::new("remembered");
    let file = |id: &str| format!("var/lib/docker/containers/{id}/config.v2.json");
    let runtimes = Runtimes::below(&root.0);
    assert_eq!(runtimes.look_up(&group(ID, None)), Container::default());
    root.write(&file(ID), r#"{"Config":{"Image":"first"}}"#);
    assert_eq!(
        runtimes.look_up(&group(ID, None)),
        image("first"),
        "it came later"
    );
    root.write(&file(ID), r#"{"Config":{"Image":"second"}}"#);
    assert_eq!(runtimes.look_up(&group(ID, None)), image("first"));
    for number in 0..2 * REMEMBERED {
        runtimes.look_up(&group(ID, None));
        runtimes
            .known
            .lock()
            .unwrap()
            .insert(&format!("{number:064}"), image("other"));
    }
    assert_eq!(runtimes.known.lock().unwrap().containers.len(), REMEMBERED);
    assert_eq!(runtimes.look_up(&group(ID, None)), image("first"));
}
