//! The command line of k8s-claimer: what it prints, what it writes, and how it ends. This version names no provider, and
//! gives back by the token alone.

use std::path::Path;

use http::Request;
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use local::Options;
use real::{Claimer, Ran};
use serde_json::{Value, json};
use tests::App;

/// How it complains of an answer of this status to this request.
fn complaint(of: &str, request: &str, status: u16) -> String {
    format!("{of}invalid status code for endpoing ({request}): {status}")
}

/// The command line, used on one installation with a key.
struct Line<'a> {
    app: &'a App,
    claimer: &'a Claimer,
    key: &'a str,
}

impl Line<'_> {
    /// What `lease` leaves with these arguments.
    async fn run(&self, args: &[&str]) -> Ran {
        let args = [&["lease"], args].concat();
        self.claimer.run(&self.app.ready().api, self.key, &args).await.unwrap()
    }

    /// What is printed when all goes well.
    async fn printed(&self, args: &[&str]) -> String {
        let ran = self.run(args).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        ran.stdout
    }

    /// Leases, and gives the token and the cluster, where variables begin with `prefix`.
    async fn lease(&self, prefix: &str, args: &[&str]) -> (String, String) {
        let printed = self.printed(&[&["create"], args].concat()).await;
        let lines: Vec<&str> = printed.lines().collect();
        let [ip, token, cluster] = lines[..] else {
            panic!("{printed}");
        };
        let value = |line: &str, name: &str| {
            let begun = line.strip_prefix(&format!("export {prefix}{name}=\""));
            let value = begun.and_then(|rest| rest.strip_suffix('"'));
            value.unwrap_or_else(|| panic!("{printed}")).to_owned()
        };
        assert_eq!(value(ip, "IP"), "127.0.0.1");
        (value(token, "TOKEN"), value(cluster, "CLUSTER_NAME"))
    }

    async fn give_back(&self, token: &str) {
        let printed = self.printed(&["delete", token]).await;
        assert_eq!(printed, format!("Deleted lease {token}\n"));
    }

    /// Sees that this fails, because the server answers with `status`.
    async fn fails(&self, args: &[&str], status: u16) {
        let ran = self.run(args).await;
        let api = &self.app.ready().api;
        let told = match args[0] {
            "create" => complaint("Error creating lease (", &format!("POST {api}/lease"), status) + ")",
            _ => complaint(
                "Error deleting lease: ",
                &format!("DELETE {api}/lease/{}", args[1]),
                status,
            ),
        };
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{args:?}: {ran:?}");
        // Its date and time come first.
        assert!(ran.stderr.trim_end().ends_with(&told), "{args:?}: {ran:?}");
    }

    /// Whether a kubeconfig that it wrote is good for its cluster.
    async fn opens(&self, file: &str) -> bool {
        let asked = namespaces(&self.claimer.folder().join(file)).await;
        match asked {
            Ok(list) => list["kind"] == "NamespaceList",
            Err(kube::Error::Api(refused)) if refused.code == 401 => false,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn namespaces(kubeconfig: &Path) -> Result<Value, kube::Error> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let client = Client::try_from(config.unwrap())?;
    let request = Request::get("/api/v1/namespaces").body(Vec::new()).unwrap();
    client.request(request).await
}

#[tokio::test]
async fn a_cluster_is_leased_used_and_given_back() {
    App::run_leasing(2, async |app| {
        let claimer = Claimer::install().unwrap();
        let key = app.ready().keys["leases"].as_str();
        let line = Line {
            app,
            claimer: &claimer,
            key,
        };
        let chosen = [
            ("--duration", "600"),
            ("--env-prefix", "CI"),
            ("--kubeconfig-file", "ci.yaml"),
            ("--cluster-regex", "^local-2$"),
            ("--cluster-version", "1.35.4"),
        ]
        .map(|(flag, value)| [flag, value])
        .concat();
        let (token, cluster) = line.lease("CI_", &chosen).await;
        assert_eq!(cluster, "local-2");
        assert!(line.opens("ci.yaml").await);
        // None is free that is as it shall be.
        line.fails(&["create", "--cluster-regex", "^local-2$"], 409).await;
        line.fails(&["create", "--cluster-version", "1.34"], 409).await;
        line.fails(&["create", "--duration", "99999999"], 400).await;
        let stranger = Line { key: "wrong", ..line };
        stranger.fails(&["create"], 401).await;
        stranger.fails(&["delete", &token], 401).await;

        line.give_back(&token).await;
        assert!(!line.opens("ci.yaml").await);
        line.fails(&["delete", &token], 409).await;
        line.fails(&["delete", "none"], 400).await;

        // Without flags: any cluster, for ten seconds, and the kubeconfig where it runs.
        let (_, cluster) = line.lease("", &[]).await;
        let seen = app.get(&format!("/clusters/{cluster}")).key(app.admin()).await;
        let ends: Timestamp = seen.expect(200)["expires-at"].as_str().unwrap().parse().unwrap();
        assert!(ends.duration_since(app.now()).as_secs() <= 10, "{ends}");
        assert!(claimer.folder().join("kubeconfig.yaml").is_file());
    })
    .await;
}

#[tokio::test]
async fn the_old_settings_serve_old_scripts() {
    let mut options = Options::embedded();
    options.clusters = 1;
    options.variables = [("AUTH_TOKEN", "old-secret"), ("LAYBY_LEASE_PROVIDER", "google")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    App::run_of(options, async |app| {
        let claimer = Claimer::install().unwrap();
        let line = Line {
            app,
            claimer: &claimer,
            key: "old-secret",
        };
        // No cluster is of the provider that is meant where none is named.
        line.fails(&["create"], 400).await;
        let kubeconfig = app.adapter().leasable("local-1").unwrap().kubeconfig();
        let registration = json!({ "kubeconfig": kubeconfig, "cloud_provider": "google" });
        let put = app.put("/clusters/local-1").key(app.admin());
        put.json(&registration).await.expect(200);

        let (token, _) = line.lease("", &["--duration", "600"]).await;
        assert!(line.opens("kubeconfig.yaml").await);
        line.give_back(&token).await;
    })
    .await;
}
