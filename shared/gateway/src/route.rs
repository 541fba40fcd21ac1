//! A descriptor joined to its handler, and the way of a request through it.

use std::any::TypeId;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use api::{Code, Endpoint};
use bytes::Bytes;
use domain::limits::{BODY_MAX, LOOK_MAX};
use domain::{Access, Caller, Look, Refusal, Scope, may_call};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Response};
use lifecycle::{Meter, metered};
use tokio::time::Instant;

use crate::auth::Presented;
use crate::log::embedded_metrics;
use crate::{Call, ConfigError, Edge, Launches, LogLine, Metric, Powers, Problem, Reply, auth};

/// How long warming may take before the first event is asked for all the same. Calls to clusters and proxies leave the
/// table's time-out free, so it must be longer than that; Lambda gives a start 10 s.
const WARM_MAX: Duration = Duration::from_secs(6);

/// An endpoint's descriptor joined to its handler.
pub struct Route {
    /// The descriptor.
    pub endpoint: &'static Endpoint,
    /// Makes the handler's powers and binds it to them, as [`crate::route!`] writes it.
    pub mount: fn(&Arc<Edge>, &'static Endpoint) -> Result<Mounted, ConfigError>,
}

/// Joins a descriptor to its handler: `route!(api::VERSION_READ, version::read)`.
#[macro_export]
macro_rules! route {
    ($endpoint:path, $handler:path) => {
        $crate::Route {
            endpoint: &$endpoint,
            mount: |edge, endpoint| edge.mount(endpoint, $handler),
        }
    };
}

/// A request before anybody has looked at it.
pub struct Incoming {
    /// The path as it was sent, without query and trailing slash.
    pub path: String,
    /// The path parameters of the route that matched.
    pub params: Vec<(String, String)>,
    /// The raw query string.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// A UUID.
    pub request_id: String,
    /// The route key that matched.
    pub route_key: String,
    /// When everything must be done.
    pub deadline: Instant,
}

impl Incoming {
    /// A run of the schedule, with its event as the body.
    pub fn scheduled(event: Bytes, request_id: String, deadline: Instant) -> Self {
        Self {
            path: String::new(),
            params: Vec::new(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: event,
            request_id,
            route_key: "schedule".to_owned(),
            deadline,
        }
    }
}

type Handler = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Reply, Problem>> + Send + Sync>;

/// An endpoint that can be asked.
#[derive(Clone)]
pub struct Mounted {
    endpoint: &'static Endpoint,
    edge: Arc<Edge>,
    handler: Handler,
    warm: Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
    powers: TypeId,
}

impl Edge {
    /// Binds `handler` to its powers, which are made here.
    ///
    /// # Errors
    /// [`ConfigError`] when the configuration does not have what the powers need.
    pub fn mount<P, F, Fut>(self: &Arc<Self>, endpoint: &'static Endpoint, handler: F) -> Result<Mounted, ConfigError>
    where
        P: Powers,
        F: Fn(P, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Reply, Problem>> + Send + 'static,
    {
        let powers = P::connect(self)?;
        if endpoint.access == Access::Environments {
            self.authorities()?;
        }
        let warmed = powers.clone();
        Ok(Mounted {
            endpoint,
            edge: Arc::clone(self),
            handler: Arc::new(move |call| handler(powers.clone(), call).boxed()),
            warm: Arc::new(move || warmed.warm()),
            powers: TypeId::of::<P>(),
        })
    }
}

/// What a finished request tells the log.
struct Outcome {
    response: Response<Bytes>,
    metrics: Vec<Metric>,
    code: Option<Code>,
    cause: Option<String>,
    caller: String,
}

impl Outcome {
    fn of(problem: Problem, request_id: &str, caller: String) -> Self {
        let (code, cause) = (Some(problem.code()), problem.cause_chain());
        Self {
            response: problem.into_response(request_id),
            metrics: Vec::new(),
            code,
            cause,
            caller,
        }
    }
}

impl Mounted {
    /// The descriptor.
    pub fn endpoint(&self) -> &'static Endpoint {
        self.endpoint
    }

    /// Which powers its handler has: two endpoints with the same ones share their connections.
    pub(crate) fn powers(&self) -> TypeId {
        self.powers
    }

    /// Opens the connections of its powers, concurrently and for a bounded time; never a reason to fail.
    pub async fn warm(&self) {
        let scope = net::Scope::lasting(WARM_MAX);
        let _ = tokio::time::timeout(WARM_MAX, net::within(scope, (self.warm)())).await;
    }

    /// Answers one request, whatever happens, and writes its log line.
    #[expect(clippy::disallowed_methods, reason = "how long a request took is mechanical time")]
    pub async fn answer(&self, incoming: Incoming) -> Response<Bytes> {
        let began = Instant::now();
        let (request_id, route) = (incoming.request_id.clone(), incoming.route_key.clone());
        let scope = net::Scope::until(incoming.deadline);
        let meter = Meter::default();
        let answered = metered(meter.clone(), self.outcome(incoming));
        let mut outcome = net::within(scope.clone(), answered).await;
        outcome.metrics.extend(crate::log::metered(&meter));
        let took = began.elapsed();
        self.close(outcome, request_id, route, took, &scope)
    }

    /// Answers a request that no endpoint takes, and writes its log line.
    pub(crate) fn refuse(&self, problem: Problem, incoming: Incoming) -> Response<Bytes> {
        let outcome = Outcome::of(problem, &incoming.request_id, Caller::Nobody.word());
        self.close(
            outcome,
            incoming.request_id,
            incoming.route_key,
            Duration::ZERO,
            &net::Scope::lasting(Duration::ZERO),
        )
    }

    /// Stamps the answer with the request's id and writes the log line.
    fn close(
        &self,
        mut outcome: Outcome,
        request_id: String,
        route: String,
        took: Duration,
        scope: &net::Scope,
    ) -> Response<Bytes> {
        let counts = scope.counts();
        stamp(&mut outcome.response, &request_id);
        let status = outcome.response.status().as_u16();
        (self.edge.log)(&LogLine {
            level: if status >= 500 {
                "ERROR"
            } else if status >= 400 {
                "WARN"
            } else {
                "INFO"
            },
            function: self.endpoint.id,
            route,
            request_id,
            status,
            code: outcome.code.map(Code::word),
            caller: outcome.caller,
            duration_ms: took.as_millis() as u64,
            store_calls: counts.store,
            cluster_calls: counts.cluster,
            leased_calls: counts.leased,
            proxy_calls: counts.proxy,
            outside_calls: counts.outside,
            cause: outcome.cause,
            notes: scope.notes(),
            metrics: embedded_metrics(
                &outcome.metrics,
                self.edge.config.installation.as_str(),
                self.edge.clock.now().as_millisecond(),
            ),
        });
        outcome.response
    }

    async fn outcome(&self, incoming: Incoming) -> Outcome {
        let request_id = incoming.request_id.clone();
        let mut caller = Caller::Nobody;
        let replied = match self.admit(incoming).await {
            Ok(call) => {
                caller = call.caller.clone();
                (self.handler)(call).await
            }
            Err(problem) => Err(problem),
        };
        let caller = caller.word();
        match replied {
            Ok(Reply { response, metrics }) => Outcome {
                response,
                metrics,
                code: None,
                cause: None,
                caller,
            },
            Err(problem) => Outcome::of(problem, &request_id, caller),
        }
    }

    /// Checks size and caller, and makes the [`Call`].
    async fn admit(&self, incoming: Incoming) -> Result<Call, Problem> {
        if incoming.body.len() > BODY_MAX {
            let detail = format!(
                "The body has {} bytes, at most {BODY_MAX} are allowed",
                incoming.body.len()
            );
            return Err(Problem::new(Code::BodyTooLarge, detail));
        }
        let credential = auth::credential(&incoming.headers);
        let access = self.endpoint.access;
        let caller = self.caller(access, credential.as_deref(), &incoming).await?;
        if access != Access::Schedule {
            let allowed = may_call(&caller, access, self.edge.config.launches == Launches::Keyed);
            allowed.map_err(|refusal| match (access, refusal) {
                (Access::Key(Scope::Leases), Refusal::Forbidden(why)) => Problem::new(Code::Unauthenticated, why),
                (Access::Environments, Refusal::Forbidden(why)) if !caller.is_known() => {
                    Problem::new(Code::Unauthenticated, format!("Invalid Token: {why}"))
                }
                (_, refusal) => refusal.into(),
            })?;
        }
        let Incoming {
            path,
            params,
            query,
            headers,
            body,
            request_id,
            deadline,
            ..
        } = incoming;
        let (endpoint, edge, looks) = (self.endpoint, Arc::clone(&self.edge), AtomicU32::new(0));
        Ok(Call {
            endpoint,
            edge,
            request_id,
            path,
            params,
            query,
            headers,
            body,
            caller,
            credential,
            deadline,
            looks,
        })
    }

    async fn caller(&self, access: Access, credential: Option<&str>, incoming: &Incoming) -> Result<Caller, Problem> {
        let edge = &self.edge;
        let is_environments = access == Access::Environments;
        if is_environments && edge.config.environments.asks_nobody() {
            return Ok(Caller::Unasked);
        }
        if !auth::asks_who(access) || credential.is_none() {
            return Ok(Caller::Nobody);
        }
        let look = Look {
            now: edge.clock.now(),
            by: format!("{}/key", incoming.request_id),
        };
        if is_environments && let Some(token) = Presented::of(&incoming.headers) {
            let authorities = edge.authorities().map_err(Problem::internal)?;
            // Boxed, because every other request would carry its size.
            return Ok(authorities.vouch(&token, edge.store(), &look).boxed().await?);
        }
        let configured = [
            (edge.config.admin_key_sha256.as_deref(), Caller::ConfiguredAdmin),
            (edge.config.leases.key_sha256.as_deref(), Caller::ConfiguredLeases),
        ];
        edge.keys.caller(credential, &configured, edge.store(), &look).await
    }
}

/// Says on an answer which request it is to.
pub(crate) fn stamp(response: &mut Response<Bytes>, request_id: &str) {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-request-id", value);
    }
}

/// The deadline of an API request whose event is `age` old.
#[expect(clippy::disallowed_methods, reason = "deadlines are mechanical time")]
pub fn api_deadline(age: Duration) -> Instant {
    Instant::now() + LOOK_MAX.saturating_sub(age)
}
