//! The server that a check runs against.

pub(crate) use contract::eventually;
use contract::in_time;
use embedded::kubernetes::{Kubernetes, Settings};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, PostParams};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

/// A server, and a namespace in it that is the check's own.
pub(crate) struct Server {
    /// With the administrator's rights.
    pub(crate) client: Client,
    /// How that client gets there.
    pub(crate) config: Config,
    /// The check's own namespace.
    pub(crate) namespace: String,
}

impl Server {
    /// Objects of the check's own namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Objects of the cluster.
    pub(crate) fn cluster<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::ClusterResourceScope>,
        K::DynamicType: Default,
    {
        Api::all(self.client.clone())
    }

    /// A client that shows this bearer token.
    pub(crate) fn client_of(&self, token: &str) -> Client {
        let mut config = self.config.clone();
        config.auth_info = AuthInfo::default();
        config.auth_info.token = Some(token.to_owned().into());
        Client::try_from(config).unwrap()
    }

    /// The administrator in the place of this user, who is in these groups.
    pub(crate) fn client_as(&self, user: &str, groups: &[&str]) -> Client {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(groups.iter().map(|&group| group.to_owned()).collect());
        Client::try_from(config).unwrap()
    }

    /// Makes another namespace whose name begins so, and gives its name. It is deleted with the check's own.
    pub(crate) async fn another_namespace(&self, prefix: &str) -> String {
        let name = format!("{}-{prefix}", self.namespace);
        make_namespace(&self.client, &name).await;
        name
    }

    async fn start(mut config: Config) -> Self {
        // What a server answers is to be seen as it is.
        config.default_retry = false;
        let client = Client::try_from(config.clone()).unwrap();
        let namespace = format!("check-{}", Timestamp::now().as_nanosecond());
        make_namespace(&client, &namespace).await;
        Self {
            client,
            config,
            namespace,
        }
    }
}

/// A namespace with its default account, which pods cannot be made without.
async fn make_namespace(client: &Client, name: &str) {
    let namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), name);
    eventually("the default account", async || {
        accounts.get_opt("default").await.unwrap()
    })
    .await;
}

/// The `Status` with which a server refused.
///
/// # Panics
/// When it did not.
pub(crate) fn refused<T: std::fmt::Debug>(result: kube::Result<T>) -> Box<kube::core::Status> {
    match result {
        Err(kube::Error::Api(status)) => status,
        other => panic!("not refused: {other:?}"),
    }
}

/// Runs a check against an embedded server of its own.
pub(crate) fn on_embedded(check: impl AsyncFnOnce(&Server)) {
    in_time(async {
        let mut settings = Settings::new(std::sync::Arc::new(Timestamp::now), "contract", "administrator");
        settings.https = true;
        let kubernetes = Kubernetes::start(settings).await.unwrap();
        let kubeconfig = Kubeconfig::from_yaml(&kubernetes.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        let server = Server::start(config).await;
        check(&server).await;
    });
}

/// Runs a check against the real server that all of them share. Pods become Ready there by themselves: kwok plays nodes.
#[cfg(feature = "real")]
pub(crate) fn on_real(check: impl AsyncFnOnce(&Server)) {
    static REAL: tokio::sync::OnceCell<(real::ControlPlane, real::Kwok)> = tokio::sync::OnceCell::const_new();
    in_time(async {
        let start = async || -> Result<_, real::Error> {
            let control_plane = real::ControlPlane::start().await?;
            let nodes = real::Kwok::start(&control_plane).await?;
            Ok((control_plane, nodes))
        };
        let started = REAL.get_or_try_init(start).await;
        let (real, _) = started.unwrap_or_else(|error| panic!("{error}"));
        let server = Server::start(real.config().await.unwrap()).await;
        check(&server).await;
        let namespaces: Api<Namespace> = Api::all(server.client.clone());
        namespaces
            .delete(&server.namespace, &kube::api::DeleteParams::background())
            .await
            .ok();
    });
}
